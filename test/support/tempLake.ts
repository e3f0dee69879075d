import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noCrash } from '../../infra/core/crashPoint.ts';
import { openDuckdb } from '../../infra/core/duckdb.ts';
import type { Clock, Logger } from '../../infra/core/ports.ts';
import type { AddFile } from '../../lakehouse/actions.ts';
import type { Transaction } from '../../lakehouse/conflict.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { createLocalStore } from '../../lakehouse/localStorage.ts';
import { deltaType, field } from '../../lakehouse/schema.ts';
import { createTable, type LakeTable } from '../../lakehouse/table.ts';

export const silentLog: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
};

/** A clock that a test sets; sleeping moves it. */
export function testClock(startMs = Date.UTC(2026, 0, 1)): Clock & { nowMsValue: number } {
  const clock = {
    nowMsValue: startMs,
    nowMs: () => clock.nowMsValue,
    sleep: async (ms: number) => {
      clock.nowMsValue += ms;
    },
  };
  return clock;
}

export interface TempLake extends Lake, AsyncDisposable {
  readonly rootDir: string;
}

/** A lake on the local disk that is removed at the end. */
export async function openTempLake(clock: Clock = testClock()): Promise<TempLake> {
  const rootDir = await mkdtemp(join(tmpdir(), 'tidemark-lake-'));
  const stagingDir = join(rootDir, 'staging');
  await mkdir(stagingDir);
  const duckdb = await openDuckdb({ memoryBytes: 256 * 2 ** 20, threads: 1 });
  return {
    rootDir,
    stagingDir,
    duckdb,
    clock,
    log: silentLog,
    crashPoint: noCrash,
    store: createLocalStore(join(rootDir, 'lake')),
    [Symbol.asyncDispose]: async () => {
      await duckdb[Symbol.asyncDispose]();
      await rm(rootDir, { recursive: true, force: true });
    },
  };
}

/** A table with the columns of `select`, which is not run for rows. */
export async function createTableLike(
  lake: Lake,
  spec: { name: string; select: string; partitionColumns?: readonly string[] },
): Promise<LakeTable> {
  await using session = await lake.duckdb.connect();
  const columns = await session.rows(`describe ${spec.select}`);
  return await createTable(lake, {
    name: spec.name,
    fields: columns.map((c) => field(String(c['column_name']), deltaType(String(c['column_type'])))),
    partitionColumns: spec.partitionColumns ?? [],
  });
}

/** Stages the rows of `select` as one file. */
export async function stageRows(
  lake: Lake,
  table: LakeTable,
  file: { select: string; partitionValues?: Readonly<Record<string, string | null>> },
): Promise<AddFile[]> {
  await using session = await lake.duckdb.connect();
  return await table.stage({ session, select: file.select, partitionValues: file.partitionValues ?? {} });
}

/** Commits on the head, and demands that it worked; returns the version. */
export async function commitTo(
  table: LakeTable,
  transaction: Omit<Transaction, 'base' | 'operation' | 'reads'> & Partial<Transaction>,
): Promise<number> {
  const base = await table.snapshot();
  const result = await table.commit({ operation: 'WRITE', reads: 'nothing', base, ...transaction });
  if (result.kind !== 'committed') throw new Error(`the test's commit lost: ${result.reason}`);
  return result.version;
}

/** Appends the rows of `select` in one commit; returns the version. */
export async function appendRows(
  lake: Lake,
  table: LakeTable,
  file: { select: string; partitionValues?: Readonly<Record<string, string | null>> },
): Promise<number> {
  return await commitTo(table, { adds: await stageRows(lake, table, file) });
}
