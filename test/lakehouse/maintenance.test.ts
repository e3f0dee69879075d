import { describe, expect, test } from 'vitest';
import { readChanges } from '../../lakehouse/changes.ts';
import { createMemoryStore } from '../../lakehouse/memoryStorage.ts';
import { optimizeTable, planCompaction } from '../../lakehouse/optimize.ts';
import { filesOfPartitions } from '../../lakehouse/pruning.ts';
import { scan } from '../../lakehouse/scan.ts';
import { tableHash } from '../../lakehouse/tableHash.ts';
import { vacuumTable } from '../../lakehouse/vacuum.ts';
import { appendIds, createDays, openTestLake, readIds, stageIds, steppingClock } from './support.ts';

const HOUR_MS = 3_600_000;
const EIGHT_DAYS_MS = 8 * 24 * HOUR_MS;

describe('compaction', () => {
  test('packs the small files of each partition, keeps every row, and incremental readers see nothing', async () => {
    await using lake = await openTestLake();
    const table = await createDays(lake);
    for (let i = 0; i < 12; i += 1)
      await appendIds(lake, table, { ids: [i, i], day: `2025-01-0${1 + (i % 2)}` });
    const before = await table.snapshot();
    await lake.clock.sleep(HOUR_MS);
    const result = await optimizeTable(lake, table, { minFiles: 2, orderBy: 'id DESC' });
    expect(result).toMatchObject({ bins: 2, filesBefore: 12, filesAfter: 2 });
    const after = await table.snapshot();
    expect(after.files.size).toBe(2);
    expect(await hashOf(lake, after)).toBe(await hashOf(lake, before));
    expect(await readIds(lake, before)).toHaveLength(24);
    expect(await readChanges(table, before.version, after.version)).toEqual({
      adds: [],
      removes: [],
      isRedefined: false,
    });
    expect((await readChanges(table, 0, after.version)).adds).toHaveLength(12);
  });

  test('leaves young files, large files and lone files alone', async () => {
    await using lake = await openTestLake();
    const table = await createDays(lake);
    for (let i = 0; i < 3; i += 1) await appendIds(lake, table, { ids: [i] });
    const snapshot = await table.snapshot();
    const nowMs = lake.clock.nowMs();
    expect(planCompaction(snapshot, { minFiles: 2 }, nowMs)).toEqual([]);
    expect(planCompaction(snapshot, { minFiles: 2 }, nowMs + HOUR_MS)).toHaveLength(1);
    expect(planCompaction(snapshot, { minFiles: 4 }, nowMs + HOUR_MS)).toEqual([]);
    expect(planCompaction(snapshot, { minFiles: 1, targetFileBytes: 10 }, nowMs + HOUR_MS)).toEqual([]);
    const bytes = [...snapshot.files.values()].reduce((sum, add) => sum + add.size, 0);
    const halves = { minFiles: 9, minAgeMs: 0, targetFileBytes: bytes / 2 };
    expect(planCompaction(snapshot, halves, nowMs + 1).map((bin) => bin.files.length)).toEqual([2]);
  });

  test('an append during compaction stays; a removal during it makes the bin lose and plan again', async () => {
    let interfere: (() => Promise<unknown>) | undefined;
    const memory = createMemoryStore();
    const store: typeof memory = {
      ...memory,
      putFile: async (key, path) => {
        await memory.putFile(key, path);
        const act = interfere;
        interfere = undefined;
        await act?.();
      },
    };
    await using lake = await openTestLake(store);
    const table = await createDays(lake);
    for (let i = 0; i < 4; i += 1) await appendIds(lake, table, { ids: [i] });
    await lake.clock.sleep(HOUR_MS);
    interfere = () => appendIds(lake, table, { ids: [100] });
    expect(await optimizeTable(lake, table, { minFiles: 2 })).toMatchObject({ bins: 1, filesBefore: 4 });
    for (let i = 4; i < 8; i += 1) await appendIds(lake, table, { ids: [i] });
    await lake.clock.sleep(HOUR_MS);
    interfere = async () => {
      const base = await table.snapshot();
      const removes = [...base.files.values()].slice(-1);
      expect(await table.commit({ operation: 'DELETE', base, removes, reads: 'table' })).toMatchObject({
        kind: 'committed',
      });
    };
    await optimizeTable(lake, table, { minFiles: 2 });
    expect(await readIds(lake, await table.snapshot())).toEqual([0, 1, 2, 3, 4, 5, 6, 100]);
    expect((await table.snapshot()).files.size).toBe(1);
  });

  test('a dry run commits nothing', async () => {
    await using lake = await openTestLake();
    const table = await createDays(lake);
    for (let i = 0; i < 3; i += 1) await appendIds(lake, table, { ids: [i] });
    await lake.clock.sleep(HOUR_MS);
    const result = await optimizeTable(lake, table, { minFiles: 2, dryRun: true });
    expect(result).toMatchObject({ bins: 1, filesBefore: 3, versions: [] });
    expect((await table.snapshot()).version).toBe(3);
  });
});

describe('vacuum', () => {
  test('deletes what expired and nothing names, keeps kept versions and young files', async () => {
    const clock = steppingClock(Date.now() - 3 * EIGHT_DAYS_MS);
    await using lake = await openTestLake(createMemoryStore(), clock);
    await using session = await lake.duckdb.connect();
    const table = await createDays(lake);
    await appendIds(lake, table, { ids: [1] });
    await appendIds(lake, table, { ids: [2] });
    const old = await table.snapshot();
    await clock.sleep(HOUR_MS);
    await optimizeTable(lake, table, { minFiles: 2 });
    const orphan = await stageIds(table, session, { ids: [3] });
    expect(orphan).toHaveLength(1);
    expect(await vacuumTable(lake, table, { dryRun: true })).toEqual({ files: 0, bytes: 0 });

    clock.set(Date.now() + EIGHT_DAYS_MS);
    expect(await vacuumTable(lake, table, { keepVersions: [old.version], dryRun: true })).toMatchObject({
      files: 1,
    });
    expect(await vacuumTable(lake, table, { keepVersions: [old.version] })).toMatchObject({ files: 1 });
    expect(await readIds(lake, old)).toEqual([1, 2]);
    expect(await vacuumTable(lake, table)).toMatchObject({ files: 2 });
    await expect(readIds(lake, old)).rejects.toMatchObject({ code: 'LAKE_OBJECT_MISSING' });
    expect(await readIds(lake, await table.snapshot())).toEqual([1, 2]);
  });

  test('a short retention is refused unless forced', async () => {
    await using lake = await openTestLake();
    const table = await createDays(lake);
    await expect(vacuumTable(lake, table, { retentionMs: HOUR_MS })).rejects.toMatchObject({
      code: 'LAKE_VACUUM_RETENTION',
    });
    expect(await vacuumTable(lake, table, { retentionMs: 0, force: true })).toEqual({ files: 0, bytes: 0 });
  });
});

test('overwriting a partition replaces its files and no others', async () => {
  await using lake = await openTestLake();
  await using session = await lake.duckdb.connect();
  const table = await createDays(lake);
  await appendIds(lake, table, { ids: [1, 2], day: '2025-01-01' });
  await appendIds(lake, table, { ids: [3], day: '2025-01-02' });
  const base = await table.snapshot();
  const partition = { day: '2025-01-01' };
  const adds = await stageIds(table, session, { ids: [9], day: '2025-01-01' });
  const removes = filesOfPartitions(base, [partition]);
  await table.commit({ operation: 'WRITE', base, adds, removes, reads: [partition] });
  expect(await readIds(lake, await table.snapshot())).toEqual([3, 9]);
  const changes = await readChanges(table, base.version, base.version + 1);
  expect(changes.adds.map((add) => add.path)).toEqual(adds.map((add) => add.path));
  expect(changes.removes.map((remove) => remove.path)).toEqual(removes.map((add) => add.path));
});

test('a hash does not see order or files, and sees a changed, a missing and a doubled row', async () => {
  await using lake = await openTestLake();
  await using session = await lake.duckdb.connect();
  const hash = (rows: string, excluded: string[] = []) =>
    tableHash(session, `(SELECT * FROM (VALUES ${rows}) v(a, b, _when))`, excluded);
  const same = await hash("(1, 'x', 1), (2, 'y', 2)");
  expect(await hash("(2, 'y', 2), (1, 'x', 1)")).toBe(same);
  expect(await hash("(2, 'y', 2), (1, 'z', 1)")).not.toBe(same);
  expect(await hash("(2, 'y', 2)")).not.toBe(same);
  expect(await hash("(2, 'y', 2), (2, 'y', 2), (1, 'x', 1)")).not.toBe(same);
  expect(await hash("(1, 'x', 8), (2, 'y', 9)", ['_when'])).toBe(
    await hash("(1, 'x', 1), (2, 'y', 2)", ['_when']),
  );
});

async function hashOf(lake: Awaited<ReturnType<typeof openTestLake>>, snapshot: Parameters<typeof scan>[1]) {
  await using session = await lake.duckdb.connect();
  await using scanned = await scan(lake, snapshot);
  return await tableHash(session, scanned.sql);
}
