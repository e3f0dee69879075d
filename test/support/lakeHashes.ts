import type { Lake } from '../../lakehouse/lake.ts';
import { scan } from '../../lakehouse/scan.ts';
import { listTables, openTable } from '../../lakehouse/table.ts';
import { tableHash } from '../../lakehouse/tableHash.ts';

/** Columns that say when or in which batch a row was written: two runs of the same input differ there. */
const LINEAGE_COLUMNS = ['_ingested_at'];

/** A hash over the sorted full rows of each bronze, silver and gold table at its head, by name. */
export async function lakeHashes(lake: Lake): Promise<Record<string, string>> {
  await using session = await lake.duckdb.connect();
  const hashes: Record<string, string> = {};
  for (const name of await listTables(lake)) {
    if (name.startsWith('ops.')) continue;
    const table = await openTable(lake, name);
    if (table === undefined) continue;
    await using rows = await scan(lake, await table.snapshot());
    hashes[name] = await tableHash(session, rows.sql, LINEAGE_COLUMNS);
  }
  return hashes;
}
