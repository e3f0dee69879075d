import { expect, test } from 'vitest';
import { newestRelease, publishRelease, rollbackRelease, unpinRelease } from '../../lakehouse/release.ts';
import { field, widenSchema } from '../../lakehouse/schema.ts';
import { listTables, openTable, withSchema } from '../../lakehouse/table.ts';
import { appendIds, createDays, openTestLake, readIds, readRows } from './support.ts';

test('an append shows in the next snapshot and the old one stays as it was', async () => {
  await using lake = await openTestLake();
  const table = await createDays(lake);
  const before = await table.snapshot();
  expect(await appendIds(lake, table, { ids: [3, 1, 2] })).toBe(1);
  const after = await table.snapshot();
  expect(await readIds(lake, after)).toEqual([1, 2, 3]);
  expect(await readIds(lake, before)).toEqual([]);
});

test('twenty-five appends are read back through checkpoint and tail, by version and by time', async () => {
  await using lake = await openTestLake();
  const table = await createDays(lake);
  for (let i = 1; i <= 25; i += 1) await appendIds(lake, table, { ids: [i], day: `2025-01-0${1 + (i % 3)}` });
  const reopened = await openTable(lake, 'bronze.days');
  const newest = await reopened!.snapshot();
  expect(newest.version).toBe(25);
  expect(await readIds(lake, newest)).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
  const seventh = await reopened!.snapshot({ version: 7 });
  expect(await readIds(lake, seventh)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  const twelfth = await table.snapshot({ version: 12 });
  expect((await table.snapshot({ timestampMs: twelfth.timestampMs })).version).toBe(12);
  await expect(table.snapshot({ version: 26 })).rejects.toMatchObject({ code: 'LAKE_VERSION_NOT_FOUND' });
  await expect(table.snapshot({ timestampMs: 0 })).rejects.toMatchObject({ code: 'LAKE_TIME_NOT_FOUND' });
  const [last] = await table.history(3);
  expect(last).toMatchObject({ version: 25, operation: 'WRITE', addedFiles: 1 });
});

test('a new column arrives in the commit that first needs it, and old files read it as null', async () => {
  await using lake = await openTestLake();
  const table = await createDays(lake);
  await appendIds(lake, table, { ids: [1] });
  const base = await table.snapshot();
  const schema = widenSchema(base.schema, [field('extra', 'double')])!;
  await using session = await lake.duckdb.connect();
  const select = "SELECT 2 AS id, 'two' AS note, 0.5 AS extra";
  const adds = await table.stage({ session, select, partitionValues: { day: '2025-01-02' }, schema });
  const metaData = withSchema(base.metadata, schema);
  await table.commit({ operation: 'WRITE', base, adds, metaData, reads: 'nothing' });
  const after = await table.snapshot();
  expect(after.metadata.id).toBe(base.metadata.id);
  expect(await readRows(lake, after)).toEqual([
    { id: '1', note: 'note 1', day: '2025-01-01', extra: null },
    { id: '2', note: 'two', day: '2025-01-02', extra: 0.5 },
  ]);
});

test('tables are listed by name, other directories are not', async () => {
  await using lake = await openTestLake();
  await createDays(lake, 'silver.b');
  await createDays(lake, 'bronze.a');
  await lake.store.put('_releases/x', new Uint8Array());
  await lake.store.put('bronze/stray/file', new Uint8Array());
  expect(await listTables(lake)).toEqual(['bronze.a', 'silver.b']);
});

test('a release number is taken once; rollback pins tables until they are unpinned', async () => {
  await using lake = await openTestLake();
  const empty = { views: {}, pins: {}, staleSince: {} };
  const first = { number: 1, run: 'a', createdMs: 1, tables: { 'gold.x': 4, 'gold.y': 9 }, ...empty };
  expect(await publishRelease(lake, first)).toBe('published');
  expect(await publishRelease(lake, first)).toBe('published');
  expect(await publishRelease(lake, { ...first, run: 'b' })).toBe('taken');
  const back = rollbackRelease(first, {
    ...{ run: 'c', createdMs: 2 },
    target: { ...first, tables: { 'gold.x': 3, 'gold.y': 8 } },
    names: new Set(['gold.x']),
  });
  expect(await publishRelease(lake, back)).toBe('published');
  expect(await newestRelease(lake.store)).toMatchObject({
    number: 2,
    parent: 1,
    tables: { 'gold.x': 3, 'gold.y': 9 },
    pins: { 'gold.x': 3 },
  });
  const free = unpinRelease(back, { run: 'd', createdMs: 3, tables: ['gold.x'] });
  expect(free).toMatchObject({
    ...{ number: 3, pins: {}, tables: { 'gold.x': 3 } },
    staleSince: { 'gold.x': '1970-01-01T00:00:00.003Z' },
  });
});
