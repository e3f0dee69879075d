import { describe, expect, test } from 'vitest';
import type { AddFile, Commit, PartitionValues } from '../../lakehouse/actions.ts';
import { findConflict, type Transaction } from '../../lakehouse/conflict.ts';
import { field, serializeSchema } from '../../lakehouse/schema.ts';
import { replay } from '../../lakehouse/snapshot.ts';
import { openTable, withSchema } from '../../lakehouse/table.ts';
import { appendIds, createDays, openTestLake, readIds, stageIds } from './support.ts';

const DAY_1 = { day: '2025-01-01' };
const DAY_2 = { day: '2025-01-02' };
const fields = [field('id', 'long'), field('day', 'date')];
const metadata = {
  id: 'table',
  format: { provider: 'parquet', options: {} },
  schemaString: serializeSchema(fields),
  partitionColumns: ['day'],
};

describe('the conflict table', () => {
  const base = replay({ table: 't', path: 't' }, undefined, [
    commit(0, { metaData: metadata, protocol: { minReaderVersion: 1, minWriterVersion: 2 } }),
    commit(1, { adds: [file('one', DAY_1), file('two', DAY_2)] }),
  ]);
  const append: Transaction = { operation: 'WRITE', base, reads: 'nothing', adds: [file('new', DAY_1)] };
  const overwrite: Transaction = { ...append, reads: [DAY_1], removes: [{ path: 'one' }] };
  const merge: Transaction = { ...append, reads: 'table', removes: [{ path: 'one' }] };
  const optimize: Transaction = { ...append, removes: [{ path: 'one' }], dataChange: false };
  const wider = { ...metadata, schemaString: serializeSchema([...fields, field('extra', 'double')]) };
  const land = { ...append, txns: [{ appId: 'land', expected: undefined, version: 5 }] };
  const appended = commit(2, { adds: [file('theirs', DAY_1)] });
  const compacted = commit(2, {
    adds: [{ ...file('packed', DAY_1), dataChange: false }],
    removes: [{ path: 'other', dataChange: false, partitionValues: DAY_1 }],
  });
  const removed = (path: string, dataChange = true) =>
    commit(2, { removes: [{ path, dataChange, partitionValues: path === 'two' ? DAY_2 : DAY_1 }] });

  test.each<[string, Transaction, Commit, string | undefined]>([
    ['append after append', append, appended, undefined],
    ['append after compaction', append, compacted, undefined],
    ['append after a wider schema', append, commit(2, { metaData: wider }), undefined],
    ['append after a changed type', append, commit(2, { metaData: changedType() }), 'metadata'],
    [
      'append after a protocol change',
      append,
      commit(2, { protocol: { minReaderVersion: 1, minWriterVersion: 7 } }),
      'protocol',
    ],
    [
      'evolution after a wider schema',
      { ...append, metaData: wider },
      commit(2, { metaData: wider }),
      'metadata',
    ],
    ['overwrite after a wider schema', overwrite, commit(2, { metaData: wider }), 'metadata'],
    ['progress after the same progress', land, commit(2, { txns: [{ appId: 'land', version: 4 }] }), 'txn'],
    ['progress after other progress', land, commit(2, { txns: [{ appId: 'else', version: 4 }] }), undefined],
    ['overwrite after an append to its partition', overwrite, appended, 'read'],
    ['overwrite after an append elsewhere', overwrite, commit(2, { adds: [file('x', DAY_2)] }), undefined],
    ['overwrite after compaction of other files', overwrite, compacted, undefined],
    ['overwrite after a file that it removes went', overwrite, removed('one'), 'delete'],
    ['overwrite after a file elsewhere went', overwrite, removed('two'), undefined],
    ['merge after any append', merge, appended, 'read'],
    ['merge after a file elsewhere went', merge, removed('two'), 'read'],
    ['merge after compaction of its file', merge, removed('one', false), 'delete'],
    ['compaction after an append', optimize, appended, undefined],
    ['compaction after its file went', optimize, removed('one'), 'delete'],
    ['compaction after compaction of its file', optimize, removed('one', false), 'delete'],
  ])('%s', (_, tx, winner, expected) => {
    expect(findConflict(tx, winner)).toBe(expected);
  });

  function changedType() {
    return { ...metadata, schemaString: serializeSchema([field('id', 'string'), field('day', 'date')]) };
  }
});

describe('races', () => {
  test('a writer that loses the race re-reads and lands on the next version', async () => {
    await using lake = await openTestLake();
    await using session = await lake.duckdb.connect();
    const table = await createDays(lake);
    const base = await table.snapshot();
    await appendIds(lake, table, { ids: [1] });
    const adds = await stageIds(table, session, { ids: [2] });
    const result = await table.commit({ operation: 'WRITE', base, adds, reads: 'nothing' });
    expect(result).toEqual({ kind: 'committed', version: 2 });
    expect(await readIds(lake, await table.snapshot())).toEqual([1, 2]);
  });

  test('progress moves only from where it was believed to be', async () => {
    await using lake = await openTestLake();
    const table = await createDays(lake);
    const move = async (expected: number | undefined, version: number, base = undefined as never) =>
      table.commit({
        operation: 'STREAMING UPDATE',
        base: base ?? (await table.snapshot()),
        reads: 'nothing',
        txns: [{ appId: 'land:p0', expected, version }],
      });
    const zombie = await table.snapshot();
    expect(await move(undefined, 10)).toEqual({ kind: 'committed', version: 1 });
    expect(await move(undefined, 10)).toMatchObject({ kind: 'conflict', reason: 'txn' });
    expect(await move(undefined, 12, zombie as never)).toEqual({
      kind: 'conflict',
      reason: 'txn',
      winner: 1,
    });
    expect(await move(10, 20)).toMatchObject({ kind: 'committed' });
    expect(await move(20, 5)).toMatchObject({ kind: 'committed' });
    expect((await table.snapshot()).txns.get('land:p0')).toBe(5);
  });

  test('an append is rebased over a column that somebody else added; its rows read null there', async () => {
    await using lake = await openTestLake();
    await using session = await lake.duckdb.connect();
    const table = await createDays(lake);
    const base = await table.snapshot();
    const adds = await stageIds(table, session, { ids: [7] });
    const metaData = withSchema(base.metadata, [...base.schema, field('extra', 'double')]);
    await table.commit({ operation: 'ADD COLUMNS', base, metaData, reads: 'nothing' });
    const result = await table.commit({ operation: 'WRITE', base, adds, reads: 'nothing' });
    expect(result.kind).toBe('committed');
    const after = await table.snapshot();
    expect(after.schema.map((f) => f.name)).toEqual(['id', 'note', 'day', 'extra']);
    expect(await readIds(lake, after)).toEqual([7]);
  });

  test('removing a file that the base does not hold is an error before anything is written', async () => {
    await using lake = await openTestLake();
    const table = await createDays(lake);
    const base = await table.snapshot();
    const removes = [{ path: 'never-there.parquet' }];
    await expect(table.commit({ operation: 'DELETE', base, removes, reads: 'table' })).rejects.toMatchObject({
      code: 'LAKE_FILE_NOT_LIVE',
    });
    expect((await table.snapshot()).version).toBe(0);
  });

  test('two creators of one table end with the same table', async () => {
    await using lake = await openTestLake();
    const [a, b] = await Promise.all([createDays(lake), createDays(lake)]);
    expect(a.id).toBe(b.id);
    expect((await openTable(lake, 'bronze.days'))?.id).toBe(a.id);
  });
});

function file(path: string, partitionValues: PartitionValues): AddFile {
  return { path, partitionValues, size: 1, modificationTime: 1, dataChange: true };
}

function commit(version: number, parts: Partial<Commit>): Commit {
  return { version, txns: [], adds: [], removes: [], domainMetadata: [], ...parts };
}
