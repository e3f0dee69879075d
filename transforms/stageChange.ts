import { sqlName } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import { type AddFile, type MetaData, rowsOf } from '../lakehouse/actions.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { stageMerge } from '../lakehouse/merge.ts';
import { scan } from '../lakehouse/scan.ts';
import { type DeltaField, duckdbType } from '../lakehouse/schema.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { stagePartitions } from '../lakehouse/stage.ts';
import { withSchema } from '../lakehouse/table.ts';
import type { Model } from './model.ts';
import { differenceSql, sqlList } from './modelSql.ts';
import { isBuilt, withDefinition } from './progress.ts';
import type { Relations } from './relations.ts';

/** What a commit of a model changes. */
export interface StagedChange {
  readonly adds: readonly AddFile[];
  readonly removes: readonly AddFile[];
  readonly metaData?: MetaData;
  /** Rows that are new or different. */
  readonly rowsWritten: number;
}

export interface StageTarget {
  readonly lake: Lake;
  readonly model: Model;
  readonly base: Snapshot;
  /** The session that holds `result` and, by key and by partition, `touched`. */
  readonly relations: Relations;
}

const NO_CHANGE: StagedChange = Object.freeze({ adds: [], removes: [], rowsWritten: 0 });

/**
 * Stages `result` as the whole content of the table, with its columns and the definition that they
 * come from. @throws MODEL_SQL_FAILED
 */
export async function stageWhole(
  target: StageTarget,
  made: { readonly fields: readonly DeltaField[]; readonly definition: string },
): Promise<StagedChange> {
  const { base, model } = target;
  checkPartitions(target);
  const isSame = isBuilt(base, made.definition) && sameColumns(base.schema, made.fields);
  // Comparing costs a read of the whole table: worth it where tables are small and often rewritten.
  if (isSame && model.kind.kind === 'table' && (await isUnchanged(target))) return NO_CHANGE;
  const schema = sameColumns(base.schema, made.fields) ? base.schema : made.fields;
  const adds = await stageRows(target, 'from result', schema);
  const metaData = withSchema(withDefinition(base.metadata, made.definition), schema);
  const removes = [...base.files.values()];
  return { adds, removes, ...(isSame ? {} : { metaData }), rowsWritten: sumRows(adds) };
}

/**
 * Stages the rows of `result` as the model's kind says: added, or in place of rows of their key or
 * partition. Rows that are as they were cause no write. `replaced`: see `dropLater`.
 */
export async function stageIncrement(
  target: StageTarget,
  replaced: readonly AddFile[],
): Promise<StagedChange> {
  const { kind } = target.model;
  switch (kind.kind) {
    case 'append': {
      const adds = await stageRows(target, 'from result');
      return { adds, removes: [], rowsWritten: sumRows(adds) };
    }
    case 'first':
      return stageByKey(target, { keys: kind.keys, source: 'result', files: replaced });
    case 'key':
      return stageByKey(target, { keys: kind.keys, source: 'result', touched: 'touched' });
    case 'partition':
      return stageByPartition(target, kind.column);
    case 'table':
    case 'view':
      throw fault('MODEL_SQL_FAILED', {
        model: target.model.name,
        detail: `a ${kind.kind} has no increment`,
      });
  }
}

/** Whether the stored columns are the computed ones, in order and type. Pure. */
export function sameColumns(stored: readonly DeltaField[], computed: readonly DeltaField[]): boolean {
  const spelled = (fields: readonly DeltaField[]) =>
    JSON.stringify(fields.map((f) => [f.name, duckdbType(f.type)]));
  return spelled(stored) === spelled(computed);
}

/** Rows of all files, by their statistics. Pure. */
export function sumRows(files: Iterable<AddFile>): number {
  let rows = 0;
  for (const file of files) rows += rowsOf(file) ?? 0;
  return rows;
}

// === Helpers ===

function stageRows(target: StageTarget, select: string, schema = target.base.schema): Promise<AddFile[]> {
  const session = target.relations.session;
  return stagePartitions(target.lake, target.base, { session, select, schema, ...sortOf(target.model) });
}

async function stageByKey(
  target: StageTarget,
  merge: { keys: readonly string[]; source: string; touched?: string; files?: readonly AddFile[] },
): Promise<StagedChange> {
  const { lake, base, model, relations } = target;
  const staged = await stageMerge(lake, base, { ...merge, ...sortOf(model), session: relations.session });
  const { adds, removes, inserted, updated, deleted } = staged;
  return { adds, removes, rowsWritten: inserted + updated + deleted };
}

async function stageByPartition(target: StageTarget, column: string): Promise<StagedChange> {
  const { lake, base } = target;
  const { session } = target.relations;
  const name = sqlName(column);
  const touched = await valuesOf(target, `select distinct cast(${name} as varchar) as value from touched`);
  const files = [...base.files.values()].filter((add) => touched.has(add.partitionValues[column] ?? ''));
  await using stored = await scan(lake, base, { files });
  const all = sqlList(base.schema.map((f) => f.name));
  await session.run(
    `create or replace temp table differing as
       select distinct ${name} from (${differenceSql(`select ${all} from result`, `select ${all} from ${stored.sql}`)})`,
  );
  const differing = await valuesOf(target, `select cast(${name} as varchar) as value from differing`);
  const adds = await stageRows(target, `from result where ${name} in (select ${name} from differing)`);
  const removes = files.filter((add) => differing.has(add.partitionValues[column] ?? ''));
  return { adds, removes, rowsWritten: sumRows(adds) };
}

async function valuesOf(target: StageTarget, sql: string): Promise<Set<string>> {
  const rows = await target.relations.session.rows(sql);
  return new Set(rows.map((row) => String(row['value'])));
}

async function isUnchanged({ lake, base, relations }: StageTarget): Promise<boolean> {
  await using stored = await scan(lake, base);
  const all = sqlList(base.schema.map((f) => f.name));
  const [row] = await relations.session.rows(
    `select count(*) as n from (${differenceSql(`select ${all} from result`, `select ${all} from ${stored.sql}`)})`,
  );
  return Number(row?.['n']) === 0;
}

function sortOf({ sortedBy }: Model): { readonly orderBy?: string } {
  return sortedBy.length === 0 ? {} : { orderBy: sqlList(sortedBy) };
}

/** A table keeps its partition columns for life. */
function checkPartitions({ base, model }: StageTarget): void {
  const [stored, wanted] = [base.partitionColumns.join(', '), model.partitionedBy.join(', ')];
  if (stored === wanted) return;
  const detail = `its table is partitioned by (${stored}), the model by (${wanted}): give the model a new name`;
  throw fault('MODEL_SQL_FAILED', { model: model.name, detail });
}
