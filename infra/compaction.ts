import type { Lake } from '../lakehouse/lake.ts';
import { optimizeTable } from '../lakehouse/optimize.ts';
import { listTables, openTable } from '../lakehouse/table.ts';
import type { Logger } from './core/ports.ts';

/** Bronze stays readable by place; other tables keep the order in which their files were written. */
const BRONZE_ORDER = '_partition, _offset';

/** Gathers the small files of every table, one after the other; throws the first failure after the last table. */
export async function compactAll(
  lake: Lake,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<void> {
  const failures: unknown[] = [];
  for (const name of await listTables(lake)) {
    try {
      const table = await openTable(lake, name);
      if (table === undefined) continue;
      const order = name.startsWith('bronze.') ? { orderBy: BRONZE_ORDER } : {};
      const { filesBefore, filesAfter } = await optimizeTable(lake, table, { ...order, signal });
      if (filesBefore > 0) log.info({ table: name, filesBefore, filesAfter }, 'compacted');
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ table: name, err: error }, 'not compacted; the other tables are');
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
