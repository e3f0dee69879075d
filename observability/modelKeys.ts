import { sqlName } from '../infra/core/duckdb.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { newestRelease } from '../lakehouse/release.ts';
import { scan } from '../lakehouse/scan.ts';
import { openTable } from '../lakehouse/table.ts';
import type { Project } from '../transforms/project.ts';
import type { ViolationSink } from './violations.ts';

/** A model's table and the columns that its header says identify a row. */
export interface KeyedTable {
  readonly name: string;
  readonly keys: readonly string[];
}

const SHOWN = 5;

/** The models whose header names the columns of which each row has its own values. Pure. */
export function keyedTablesOf({ models }: Project): KeyedTable[] {
  return models.flatMap(({ name, kind }) =>
    kind.kind === 'key' || kind.kind === 'first' ? [{ name, keys: kind.keys }] : [],
  );
}

/** Rows of the newest release are unique by their keys, quarantined ones included. Returns what was read. */
export async function checkKeys(
  lake: Lake,
  tables: readonly KeyedTable[],
  violations: ViolationSink,
): Promise<string[]> {
  const release = await newestRelease(lake.store);
  const read: string[] = [];
  for (const { name, keys } of tables) {
    const version = release?.tables[name];
    if (version === undefined) continue;
    await checkTable(lake, { name, keys, version }, violations);
    read.push(name);
  }
  return read;
}

// === Helpers ===

async function checkTable(
  lake: Lake,
  { name, keys, version }: KeyedTable & { version: number },
  violations: ViolationSink,
): Promise<void> {
  const table = await openTable(lake, name);
  if (table === undefined) return;
  const snapshot = await table.snapshot({ version });
  await using rows = await scan(lake, snapshot, { columns: keys });
  await using session = await lake.duckdb.connect();
  const columns = keys.map(sqlName).join(', ');
  // The hash first: a fixed eight bytes a row, then the keys of the few hashes that are there twice.
  const duplicates = await session.rows(`
    with crowded as (select hash(${columns}) as h from ${rows.sql} group by h having count(*) > 1)
    select ${columns}, count(*) as copies from ${rows.sql} where hash(${columns}) in (select h from crowded)
    group by all having count(*) > 1 order by all limit ${SHOWN}`);
  for (const { copies, ...key } of duplicates) {
    violations.add(
      'KEYS_DUPLICATED',
      `${name} version ${version}`,
      `${JSON.stringify(key)} is there ${copies} times`,
    );
  }
}
