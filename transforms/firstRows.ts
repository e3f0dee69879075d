import { type SqlSession, sqlName } from '../infra/core/duckdb.ts';
import type { AddFile } from '../lakehouse/actions.ts';
import { FILE_COLUMN, scan } from '../lakehouse/scan.ts';
import type { Model } from './model.ts';
import { sqlList } from './modelSql.ts';
import type { StageTarget } from './stageChange.ts';

/** The kind `first`: of the rows of one key the first by an order, within a run and across runs. */

/**
 * Leaves in `result` the first row of each key. Only the keys that are there more than once are ranked:
 * ranking whole rows would sort all of them.
 */
export async function keepFirst({ kind }: Model, session: SqlSession): Promise<void> {
  if (kind.kind !== 'first') return;
  const [keys, order] = [sqlList(kind.keys), sqlList(kind.orderBy)];
  await session.run(
    `create or replace temp table repeated as select ${keys} from result group by ${keys} having count(*) > 1`,
  );
  await session.run(
    `delete from result where rowid in (
       select row_id from (
         select rowid as row_id, row_number() over (partition by ${keys} order by ${order}) as place
         from result where (${keys}) in (select ${keys} from repeated))
       where place > 1)`,
  );
}

/**
 * Drops from `result` the rows that are not before the stored row of their key. To decide, only the
 * place of each stored key is read. Returns the files with rows that those of `result` replace.
 */
export async function dropLater({ lake, model, base, relations }: StageTarget): Promise<readonly AddFile[]> {
  const { kind } = model;
  const { session } = relations;
  if (kind.kind !== 'first') return [];
  const keys = sqlList(kind.keys);
  const columns = [...new Set([...kind.keys, ...kind.orderBy])];
  await using stored = await scan(lake, base, { columns, withFileName: true });
  await session.run(
    `create or replace temp table old as
       select * from ${stored.sql} where (${keys}) in (select ${keys} from result)`,
  );
  const of = (side: string, names: readonly string[]) => names.map((n) => `${side}.${sqlName(n)}`).join(', ');
  await session.run(
    `delete from result where exists (
       select 1 from old
       where (${of('old', kind.keys)}) = (${of('result', kind.keys)})
         and (${of('old', kind.orderBy)}) <= (${of('result', kind.orderBy)}))`,
  );
  const rows = await session.rows(
    `select distinct ${FILE_COLUMN} as file from old where (${keys}) in (select ${keys} from result)`,
  );
  return rows.flatMap((row) => stored.fileOf(String(row['file'])) ?? []);
}
