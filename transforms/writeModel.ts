import { sqlName, sqlText } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import type { AddFile, MetaData, PartitionValues } from '../lakehouse/actions.ts';
import type { CommitResult } from '../lakehouse/commit.ts';
import type { TxnUpdate } from '../lakehouse/conflict.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { scan } from '../lakehouse/scan.ts';
import { type DeltaField, deltaType, duckdbType, field } from '../lakehouse/schema.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { createTable, type LakeTable, withSchema } from '../lakehouse/table.ts';
import { sqlList } from './compute.ts';
import { compareRows } from './mergeRows.ts';
import type { Model } from './model.ts';
import type { Relations } from './relations.ts';

/** What a commit of a model changes. */
export interface StagedChange {
  readonly adds: readonly AddFile[];
  readonly removes: readonly AddFile[];
  readonly metaData?: MetaData;
  /** Rows that are new or different. */
  readonly rowsWritten: number;
}

export interface WriteTarget {
  readonly lake: Lake;
  readonly model: Model;
  readonly table: LakeTable;
  readonly base: Snapshot;
  readonly relations: Relations;
}

/** Columns of `result` as a table stores them, comments included. @throws LAKE_TYPE_UNSUPPORTED */
export async function resultFields(model: Model, relations: Relations): Promise<DeltaField[]> {
  const rows = await relations.session.rows('describe result');
  return rows.map((row) => {
    const name = String(row['column_name']);
    const comment = model.columnDocs.get(name);
    const column = field(name, deltaType(String(row['column_type'])));
    return comment === undefined ? column : { ...column, metadata: { comment } };
  });
}

/** Opens the model's table, or creates it empty. */
export function createModelTable(
  lake: Lake,
  model: Model,
  fields: readonly DeltaField[],
): Promise<LakeTable> {
  return createTable(lake, {
    name: model.name,
    fields,
    partitionColumns: model.partitionedBy,
    description: model.description,
  });
}

/** Whether the stored schema holds the computed columns as they are. Pure. */
export function sameColumns(stored: readonly DeltaField[], computed: readonly DeltaField[]): boolean {
  const spelled = (fields: readonly DeltaField[]) =>
    JSON.stringify(fields.map((f) => [f.name, duckdbType(f.type)]));
  return spelled(stored) === spelled(computed);
}

/**
 * Stages `result` as the whole content of the table. A table whose rows and columns are the same
 * already is left as it is. @throws MODEL_SQL_FAILED
 */
export async function stageWhole(target: WriteTarget, fields: readonly DeltaField[]): Promise<StagedChange> {
  const { base, relations } = target;
  const isSame = sameColumns(base.schema, fields);
  if (isSame && (await isUnchanged(target))) return { adds: [], removes: [], rowsWritten: 0 };
  const adds = await stageRelation(target, 'result', fields);
  const [row] = await relations.session.rows('select count(*) as n from result');
  return {
    adds,
    removes: [...base.files.values()],
    ...(isSame ? {} : { metaData: withSchema(base.metadata, fields) }),
    rowsWritten: Number(row?.['n']),
  };
}

/**
 * Stages the rows of `result` into the table as the model's kind says: added, or in place of rows of
 * their key or partition. The table has exactly the computed columns.
 */
export async function stageIncrement(target: WriteTarget): Promise<StagedChange> {
  const { base, model } = target;
  if (model.kind.kind === 'append') {
    const adds = await stageRelation(target, 'result', base.schema);
    return { adds, removes: [], rowsWritten: adds.reduce((rows, add) => rows + rowsIn(add), 0) };
  }
  const changes = await compareRows({ ...target, columns: base.schema.map((f) => f.name) }, model);
  const adds = changes.outgoingRows === 0 ? [] : await stageRelation(target, 'outgoing', base.schema);
  return { adds, removes: changes.files, rowsWritten: changes.freshRows };
}

/** Commits staged rows together with the progress that they stand for. */
export function commitModel(
  target: WriteTarget,
  change: StagedChange,
  progress: { readonly txns: readonly TxnUpdate[]; readonly info: Readonly<Record<string, unknown>> },
): Promise<CommitResult> {
  const isAppend = target.model.kind.kind === 'append' && change.removes.length === 0;
  return target.table.commit({
    operation: change.removes.length === 0 ? 'WRITE' : 'MERGE',
    operationParameters: { model: target.model.name },
    operationMetrics: {
      numFiles: String(change.adds.length),
      numRemovedFiles: String(change.removes.length),
      numOutputRows: String(change.rowsWritten),
    },
    info: progress.info,
    base: target.base,
    adds: change.adds,
    removes: change.removes,
    txns: progress.txns,
    reads: isAppend ? 'nothing' : 'table',
    ...(change.metaData === undefined ? {} : { metaData: change.metaData }),
  });
}

/** Number of rows that a file's statistics state. Pure. */
export function rowsIn(add: AddFile): number {
  const stats: unknown = JSON.parse(add.stats ?? '{}');
  const rows = typeof stats === 'object' && stats !== null && 'numRecords' in stats ? stats.numRecords : 0;
  return Number(rows);
}

// === Helpers ===

/** One file a partition, sorted as the model wishes. */
async function stageRelation(
  target: WriteTarget,
  relation: string,
  schema: readonly DeltaField[],
): Promise<AddFile[]> {
  const { base, model, relations, table } = target;
  const orderBy = model.sortedBy.length > 0 ? { orderBy: sqlList(model.sortedBy) } : {};
  const adds: AddFile[] = [];
  for (const partitionValues of await partitionsOf(target, relation)) {
    const filter = base.partitionColumns.map((name) => sameValue(name, partitionValues[name] ?? null));
    const where = filter.length === 0 ? '' : ` where ${filter.join(' and ')}`;
    const select = `select * from ${relation}${where}`;
    const session = relations.session;
    adds.push(...(await table.stage({ session, select, partitionValues, schema, ...orderBy })));
  }
  return adds;
}

async function partitionsOf(target: WriteTarget, relation: string): Promise<PartitionValues[]> {
  const { base, model, relations } = target;
  const wanted = model.partitionedBy.join(', ');
  if (base.partitionColumns.join(', ') !== wanted) {
    const detail = `its table is partitioned by (${base.partitionColumns.join(', ')}), the model by (${wanted})`;
    throw fault('MODEL_SQL_FAILED', { model: model.name, detail });
  }
  if (base.partitionColumns.length === 0) return [{}];
  const values = base.partitionColumns.map((name) => `cast(${sqlName(name)} as varchar) as ${sqlName(name)}`);
  const rows = await relations.session.rows(
    `select distinct ${values.join(', ')} from ${relation} order by all`,
  );
  return rows.map((row) =>
    Object.fromEntries(base.partitionColumns.map((name) => [name, textOf(row[name])] as const)),
  );
}

/** Compared in the column's own type, so that partitions of a sorted relation are found by range. */
function sameValue(name: string, value: string | null): string {
  return value === null ? `${sqlName(name)} is null` : `${sqlName(name)} = ${sqlText(value)}`;
}

async function isUnchanged(target: WriteTarget): Promise<boolean> {
  // Comparing costs a read of the whole table: worth it where tables are small and rewritten whole.
  if (target.model.kind.kind !== 'table') return false;
  const { base, lake, relations } = target;
  await using stored = await scan(lake, base);
  const columns = sqlList(base.schema.map((f) => f.name));
  const [row] = await relations.session.rows(
    `select count(*) as n from (
       (select ${columns} from result except all select ${columns} from ${stored.sql})
       union all
       (select ${columns} from ${stored.sql} except all select ${columns} from result))`,
  );
  return Number(row?.['n']) === 0;
}

function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}
