import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDuckdb, type SqlRow, sqlText } from '../../../infra/core/duckdb.ts';
import { DOMAINS } from '../../../ingestion/simulator/domains.ts';
import {
  type History,
  readHistory,
  readPendingLabels,
  recentEndMs,
  writeHistory,
} from '../../../ingestion/simulator/history.ts';
import { openPendingLabels } from '../../../ingestion/simulator/pendingLabels.ts';
import { END_MS } from './simulated.ts';

const dir = mkdtempSync(join(tmpdir(), 'tidemark-history-'));
const parameters = { seed: 3, days: 12, endMs: END_MS, actors: 60, domains: DOMAINS, fraudRate: 0.1 };
let history: History;

beforeAll(async () => {
  history = await writeHistory({ dir, ...parameters });
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function rowsOf(path: string, sql: (source: string) => string): Promise<SqlRow[]> {
  await using duckdb = await openDuckdb({ memoryBytes: 2 ** 28, threads: 1 });
  await using session = await duckdb.connect();
  return await session.rows(sql(`read_parquet(${sqlText(path)})`));
}

test('there is a Parquet file a topic with key, raw value and arrival', async () => {
  expect(history.files.map(({ topic }) => topic)).toEqual([
    'tx.gaming',
    'tx.fintech',
    'tx.ecommerce',
    'labels',
  ]);
  for (const { path, rows } of history.files) {
    const types = await rowsOf(
      path,
      (source) => `SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${source})`,
    );
    expect(types.map(({ column_name, column_type }) => [column_name, column_type])).toEqual([
      ['key', 'VARCHAR'],
      ['value', 'VARCHAR'],
      ['arrived_at', 'TIMESTAMP WITH TIME ZONE'],
    ]);
    const [facts] = await rowsOf(
      path,
      (source) => `SELECT count(*)::INTEGER AS n, bool_and(json_valid(value)) AS valid FROM ${source}`,
    );
    expect(facts).toEqual({ n: rows, valid: true });
  }
});

test('rows stand in order of arrival, none in the future', async () => {
  for (const { path } of history.files) {
    const times = await rowsOf(path, (source) => `SELECT epoch_ms(arrived_at)::DOUBLE AS ms FROM ${source}`);
    const arrivals = times.map(({ ms }) => Number(ms));
    expect(arrivals.length).toBeGreaterThan(50);
    expect(arrivals).toEqual(arrivals.toSorted((x, y) => x - y));
    expect(arrivals.at(-1)).toBeLessThanOrEqual(END_MS);
  }
});

test('labels are split at the end: known ones in the file, later ones for live traffic', async () => {
  const pending = readPendingLabels(dir);
  expect(pending.length).toBeGreaterThan(20);
  expect(pending.every(({ availableAtMs }) => availableAtMs > END_MS)).toBe(true);
  const known = await rowsOf(history.files[3]!.path, (source) => `SELECT key FROM ${source}`);
  expect(known.length).toBeGreaterThan(20);
});

test('the same parameters find the files again, others replace them', async () => {
  const before = statSync(history.files[0]!.path).mtimeMs;
  expect((await writeHistory({ dir, ...parameters })).written).toBe(false);
  expect(statSync(history.files[0]!.path).mtimeMs).toBe(before);
  expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([]);
  const other = mkdtempSync(join(tmpdir(), 'tidemark-history-'));
  try {
    const small = { ...parameters, days: 1, dir: other };
    expect((await writeHistory(small)).written).toBe(true);
    expect((await writeHistory({ ...small, seed: 4 })).written).toBe(true);
    expect((await writeHistory(small)).written).toBe(true);
  } finally {
    rmSync(other, { recursive: true, force: true });
  }
});

test('a recent history of the same parameters says when it ended', () => {
  const { endMs, ...rest } = parameters;
  const limits = { nowMs: endMs + 3_600_000, maxAgeMs: 7_200_000 };
  expect(recentEndMs(dir, rest, limits)).toBe(endMs);
  expect(recentEndMs(dir, { ...rest, seed: 4 }, limits)).toBeUndefined();
  expect(recentEndMs(dir, rest, { ...limits, nowMs: endMs + 7_200_001 })).toBeUndefined();
  expect(recentEndMs(dir, rest, { ...limits, nowMs: endMs - 1 })).toBeUndefined();
  expect(recentEndMs(join(dir, 'nowhere'), rest, limits)).toBeUndefined();
});

test('pending labels are sent at least once over restarts, and few of them twice', () => {
  const progress = join(dir, 'run', 'demo.json');
  const first = openPendingLabels(dir, progress);
  expect(first.labels).toEqual(readPendingLabels(dir));
  const stoppedMs = END_MS + 2 * 86_400_000;
  first.remember(stoppedMs);
  const second = openPendingLabels(dir, progress).labels;
  const due = first.labels.filter(({ availableAtMs }) => availableAtMs > stoppedMs);
  expect(second.length).toBeGreaterThanOrEqual(due.length);
  expect(second.length).toBeLessThan(first.labels.length);
  expect(second.slice(-due.length)).toEqual(due);
  expect(openPendingLabels(join(dir, 'nowhere'), progress).labels).toEqual([]);
  expect(readHistory(join(dir, 'nowhere'))).toBeUndefined();
});
