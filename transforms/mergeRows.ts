import { sqlName } from '../infra/core/duckdb.ts';
import type { AddFile } from '../lakehouse/actions.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { FILE_COLUMN, type Scan, scan } from '../lakehouse/scan.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { sqlList } from './compute.ts';
import type { Model } from './model.ts';
import type { Relations } from './relations.ts';

/** How a table becomes right: `files` are rewritten without the rows of `gone`, `fresh` rows come in. */
export interface RowChanges {
  readonly files: readonly AddFile[];
  /** Rows of the temporary table `outgoing`: `fresh` and what stays of the rewritten files. */
  readonly outgoingRows: number;
  readonly freshRows: number;
}

interface Merge {
  readonly lake: Lake;
  readonly base: Snapshot;
  readonly relations: Relations;
  /** Columns of the table, by name. */
  readonly columns: readonly string[];
}

/**
 * Compares `result` with the table: by `first`, a row comes in when it is before the one that has its
 * key; by `key` and `partition`, rows of `touched` that differ go and the computed ones come in. Rows
 * that stay equal cause no write. Leaves the rows to write in the temporary table `outgoing`.
 */
export async function compareRows(merge: Merge, model: Model): Promise<RowChanges> {
  const { lake, base } = merge;
  await using table = await scan(lake, base, { withFileName: true, ...neededColumns(model, merge) });
  await findChanges(merge, model, table);
  const rows = await merge.relations.session.rows(`select distinct ${FILE_COLUMN} as file from gone`);
  const files = rows.flatMap((row) => table.fileOf(String(row['file'])) ?? []);
  return { files, ...(await collectOutgoing(merge, keysOf(model), files)) };
}

// === Helpers ===

async function findChanges(merge: Merge, model: Model, table: Scan): Promise<void> {
  const { session } = merge.relations;
  const keys = sqlList(keysOf(model));
  const all = sqlList(merge.columns);
  if (model.kind.kind === 'first') {
    const { orderBy } = model.kind;
    const key = keysOf(model).map((k) => `old.${sqlName(k)} = result.${sqlName(k)}`);
    const order = (side: string) => orderBy.map((c) => `${side}.${sqlName(c)}`).join(', ');
    await session.run(
      `create or replace temp table old as select * from ${table.sql} where (${keys}) in (select ${keys} from result)`,
    );
    await session.run(
      `create or replace temp table fresh as select ${all} from result where not exists (
         select 1 from old where ${key.join(' and ')} and (${order('old')}) <= (${order('result')}))`,
    );
    await session.run(
      `create or replace temp table gone as select * from old where (${keys}) in (select ${keys} from fresh)`,
    );
    return;
  }
  await session.run(
    `create or replace temp table old as select * from ${table.sql} where (${keys}) in (select ${keys} from touched)`,
  );
  await session.run(
    `create or replace temp table differing as
       select distinct ${keys} from (
         (select ${all} from result except all select ${all} from old)
         union all
         (select ${all} from old except all select ${all} from result))`,
  );
  const differs = `(${keys}) in (select ${keys} from differing)`;
  await session.run(`create or replace temp table fresh as select ${all} from result where ${differs}`);
  await session.run(`create or replace temp table gone as select * from old where ${differs}`);
}

/** Only a key's place is needed to decide who is first; whole rows are read where they are replaced. */
function neededColumns(model: Model, merge: Merge): { readonly columns: readonly string[] } {
  if (model.kind.kind !== 'first') return { columns: merge.columns };
  return { columns: [...new Set([...model.kind.keys, ...model.kind.orderBy])] };
}

async function collectOutgoing(merge: Merge, keys: readonly string[], files: readonly AddFile[]) {
  const { session } = merge.relations;
  const all = sqlList(merge.columns);
  await using rewritten = await scan(merge.lake, merge.base, { files });
  await session.run(
    `create or replace temp table outgoing as
       select ${all} from fresh
       union all
       select ${all} from ${rewritten.sql} where (${sqlList(keys)}) not in (select ${sqlList(keys)} from gone)`,
  );
  const [row] = await session.rows(
    'select (select count(*) from outgoing) as outgoing, (select count(*) from fresh) as fresh',
  );
  return { outgoingRows: Number(row?.['outgoing']), freshRows: Number(row?.['fresh']) };
}

function keysOf(model: Model): readonly string[] {
  if (model.kind.kind === 'first' || model.kind.kind === 'key') return model.kind.keys;
  return model.kind.kind === 'partition' ? [model.kind.column] : [];
}
