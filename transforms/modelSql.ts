import { type SqlSession, sqlName } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import type { Model } from './model.ts';

/** Columns of a relation as SQL for a row comparison: `a, b`. Pure. */
export function sqlList(columns: readonly string[]): string {
  return columns.map(sqlName).join(', ');
}

/** The rows of one relation that another of the same columns lacks, both ways, as often as they do. Pure. */
export function differenceSql(one: string, other: string): string {
  return `(${one} except all ${other}) union all (${other} except all ${one})`;
}

/** Runs SQL that the model's author wrote, so that its errors are the model's. @throws MODEL_SQL_FAILED */
export async function runModelSql(model: Model, session: SqlSession, sql: string): Promise<void> {
  try {
    await session.run(sql);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw fault('MODEL_SQL_FAILED', { model: model.name, detail }, error);
  }
}
