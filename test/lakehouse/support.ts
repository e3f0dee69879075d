import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noCrash } from '../../infra/core/crashPoint.ts';
import { openDuckdb, type SqlRow, type SqlSession } from '../../infra/core/duckdb.ts';
import type { Clock, Logger } from '../../infra/core/ports.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { createMemoryStore } from '../../lakehouse/memoryStorage.ts';
import { scan } from '../../lakehouse/scan.ts';
import { field } from '../../lakehouse/schema.ts';
import type { Snapshot } from '../../lakehouse/snapshot.ts';
import type { ObjectStore } from '../../lakehouse/storage.ts';
import { createTable, type LakeTable } from '../../lakehouse/table.ts';

/** A logger that keeps what it was told. */
function recordingLog(): Logger & { readonly entries: { level: string; message: string }[] } {
  const entries: { level: string; message: string }[] = [];
  const at = (level: string) => (_fields: object, message: string) => {
    entries.push({ level, message });
  };
  const log = { entries, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return { ...log, child: () => ({ ...log, child: () => log as unknown as Logger }) };
}

/** A clock that moves only when somebody sleeps, one millisecond more each time it is read. */
export function steppingClock(
  startMs = Date.parse('2025-01-01T00:00:00Z'),
): Clock & { set(ms: number): void } {
  let nowMs = startMs;
  return {
    nowMs: () => {
      nowMs += 1;
      return nowMs;
    },
    sleep: async (ms) => {
      nowMs += ms;
    },
    set: (ms) => {
      nowMs = ms;
    },
  };
}

export type TestLake = Lake & AsyncDisposable;

/** A lake on `store` (memory by default) with a stepping clock; its scratch directory is its own. */
export async function openTestLake(
  store: ObjectStore = createMemoryStore(),
  clock?: Clock,
): Promise<TestLake> {
  const stagingDir = await mkdtemp(join(tmpdir(), 'tidemark-lake-'));
  const duckdb = await openDuckdb({ memoryBytes: 256 * 2 ** 20, threads: 1, tempDir: stagingDir });
  return {
    store,
    duckdb,
    clock: clock ?? steppingClock(),
    log: recordingLog(),
    crashPoint: noCrash,
    stagingDir,
    [Symbol.asyncDispose]: async () => {
      await duckdb[Symbol.asyncDispose]();
      await rm(stagingDir, { recursive: true, force: true });
    },
  };
}

/** A small table with a long, a text and a day as its partition. */
export function createDays(lake: Lake, name = 'bronze.days'): Promise<LakeTable> {
  const fields = [field('id', 'long'), field('note', 'string'), field('day', 'date')];
  return createTable(lake, { name, fields, partitionColumns: ['day'] });
}

/** Appends the ids as one file of one day; returns the new version. */
export async function appendIds(
  lake: Lake,
  table: LakeTable,
  rows: { readonly ids: readonly number[]; readonly day?: string },
): Promise<number> {
  await using session = await lake.duckdb.connect();
  const base = await table.snapshot();
  const adds = await stageIds(table, session, rows);
  const result = await table.commit({ operation: 'WRITE', base, adds, reads: 'nothing' });
  if (result.kind !== 'committed') throw new TypeError(`conflict: ${result.reason}`);
  return result.version;
}

export function stageIds(
  table: LakeTable,
  session: SqlSession,
  rows: { readonly ids: readonly number[]; readonly day?: string },
) {
  const select = `SELECT id, 'note ' || id AS note FROM (SELECT unnest([${rows.ids.join(',')}]::BIGINT[]) AS id)`;
  return table.stage({ session, select, partitionValues: { day: rows.day ?? '2025-01-01' } });
}

export async function readRows(
  lake: Lake,
  snapshot: Snapshot,
  query = 'SELECT * FROM t ORDER BY ALL',
): Promise<SqlRow[]> {
  await using session = await lake.duckdb.connect();
  await using scanned = await scan(lake, snapshot);
  return await session.rows(`WITH t AS (FROM ${scanned.sql}) ${query}`);
}

export async function readIds(lake: Lake, snapshot: Snapshot): Promise<number[]> {
  const rows = await readRows(lake, snapshot, 'SELECT id FROM t ORDER BY id');
  return rows.map((row) => Number(row['id']));
}
