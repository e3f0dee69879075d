import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SqlSession } from '../../infra/core/duckdb.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { stageMerge } from '../../lakehouse/merge.ts';
import { field } from '../../lakehouse/schema.ts';
import { createTable, type LakeTable } from '../../lakehouse/table.ts';
import { appendIds, createDays, openTestLake, readRows } from './support.ts';

type Row = { readonly id: number; readonly note: string | null; readonly day: string };

test('only files with a changed or deleted row are rewritten; new rows come in new files', async () => {
  await using lake = await openTestLake();
  await using session = await lake.duckdb.connect();
  const table = await createDays(lake);
  await appendIds(lake, table, { ids: [1, 2], day: '2025-01-01' });
  await appendIds(lake, table, { ids: [3, 4], day: '2025-01-01' });
  await appendIds(lake, table, { ids: [5, 6], day: '2025-01-02' });
  const before = [...(await table.snapshot()).files.values()];
  const rows = [row(1, 'note 1', 1), row(3, 'changed', 1), row(7, 'new', 3)];
  const staged = await merge(lake, table, session, { rows, touched: [1, 3, 6, 7, 8] });
  expect(staged).toMatchObject({ inserted: 1, updated: 1, deleted: 1 });
  expect(staged.removes.map((add) => add.path).sort()).toEqual([before[1]!.path, before[2]!.path].sort());
  expect(await readRows(lake, await table.snapshot())).toEqual([
    { id: '1', note: 'note 1', day: '2025-01-01' },
    { id: '2', note: 'note 2', day: '2025-01-01' },
    { id: '3', note: 'changed', day: '2025-01-01' },
    { id: '4', note: 'note 4', day: '2025-01-01' },
    { id: '5', note: 'note 5', day: '2025-01-02' },
    { id: '7', note: 'new', day: '2025-01-03' },
  ]);
});

test('rows that are as they were cause no write at all', async () => {
  await using lake = await openTestLake();
  await using session = await lake.duckdb.connect();
  const table = await createDays(lake);
  await appendIds(lake, table, { ids: [1, 2], day: '2025-01-01' });
  const rows = [row(1, 'note 1', 1), row(2, 'note 2', 1)];
  const staged = await merge(lake, table, session, { rows, touched: [1, 2, 99] });
  expect(staged).toEqual({ adds: [], removes: [], inserted: 0, updated: 0, deleted: 0 });
});

test('a value that only its stored type rounds is not a change', async () => {
  await using lake = await openTestLake();
  await using session = await lake.duckdb.connect();
  const fields = [field('id', 'long'), field('ratio', 'decimal(10,4)')];
  const table = await createTable(lake, { name: 'gold.ratios', fields, partitionColumns: [] });
  const source = '(SELECT 1 AS id, 1.0::DOUBLE / 3 AS ratio)';
  const base = await table.snapshot();
  const { adds } = await stageMerge(lake, base, { session, source, keys: ['id'] });
  await table.commit({ operation: 'MERGE', base, adds, reads: 'table' });
  const again = await stageMerge(lake, await table.snapshot(), { session, source, keys: ['id'] });
  expect(again).toMatchObject({ adds: [], inserted: 0, updated: 0 });
});

test('a row whose partition changes moves', async () => {
  await using lake = await openTestLake();
  await using session = await lake.duckdb.connect();
  const table = await createDays(lake);
  await appendIds(lake, table, { ids: [1, 2], day: '2025-01-01' });
  await merge(lake, table, session, { rows: [row(1, 'note 1', 2)], touched: [1] });
  const snapshot = await table.snapshot();
  expect(await readRows(lake, snapshot)).toEqual([
    { id: '1', note: 'note 1', day: '2025-01-02' },
    { id: '2', note: 'note 2', day: '2025-01-01' },
  ]);
  expect([...snapshot.files.values()].map((add) => add.partitionValues['day']).sort()).toEqual([
    '2025-01-01',
    '2025-01-02',
  ]);
});

test('any sequence of merges leaves what a map by key would hold', async () => {
  const noteOf = fc.constantFrom('a', 'b', null, "it's");
  const rowOf = fc.record({ id: fc.integer({ min: 0, max: 6 }), note: noteOf, day: fc.constantFrom(1, 2) });
  const step = fc.record({
    rows: fc.uniqueArray(rowOf, { selector: (r) => r.id, maxLength: 5 }),
    alsoTouched: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 4 }), async (steps) => {
      await using lake = await openTestLake();
      await using session = await lake.duckdb.connect();
      const table = await createDays(lake);
      const model = new Map<number, Row>();
      for (const { rows, alsoTouched } of steps) {
        const source = rows.map((r) => row(r.id, r.note, r.day));
        const touched = [...new Set([...source.map((r) => r.id), ...alsoTouched])];
        await merge(lake, table, session, { rows: source, touched });
        for (const id of touched) model.delete(id);
        for (const r of source) model.set(r.id, r);
      }
      const expected = [...model.values()]
        .sort((a, b) => a.id - b.id)
        .map((r) => ({ ...r, id: String(r.id) }));
      expect(await readRows(lake, await table.snapshot(), 'FROM t ORDER BY id')).toEqual(expected);
    }),
    { numRuns: 15 },
  );
});

function row(id: number, note: string | null, day: number): Row {
  return { id, note, day: `2025-01-0${day}` };
}

/** Merges and commits; the source has the given rows, all `touched` ids without a row are deleted. */
async function merge(
  lake: Lake,
  table: LakeTable,
  session: SqlSession,
  change: { readonly rows: readonly Row[]; readonly touched: readonly number[] },
) {
  await session.run('CREATE OR REPLACE TEMP TABLE source (id BIGINT, note VARCHAR, day DATE)');
  for (const { id, note, day } of change.rows) {
    const text = note === null ? 'NULL' : `'${note.replaceAll("'", "''")}'`;
    await session.run(`INSERT INTO source VALUES (${id}, ${text}, '${day}')`);
  }
  const ids = change.touched.join(',');
  await session.run(`CREATE OR REPLACE TEMP TABLE touched AS SELECT unnest([${ids}]::BIGINT[]) AS id`);
  const base = await table.snapshot();
  const staged = await stageMerge(lake, base, {
    session,
    source: 'source',
    touched: 'touched',
    keys: ['id'],
  });
  const { adds, removes } = staged;
  const result = await table.commit({ operation: 'MERGE', base, adds, removes, reads: 'table' });
  expect(result.kind).toBe('committed');
  return staged;
}
