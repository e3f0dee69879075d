import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Commit, parseCommit, serializeCommit } from '../../lakehouse/actions.ts';
import { writeCheckpoint } from '../../lakehouse/checkpoint.ts';
import { commitKey, lastCheckpointKey } from '../../lakehouse/logPath.ts';
import { loadSnapshot } from '../../lakehouse/logReader.ts';
import { createMemoryStore } from '../../lakehouse/memoryStorage.ts';
import { field, serializeSchema } from '../../lakehouse/schema.ts';
import { replay, type Snapshot } from '../../lakehouse/snapshot.ts';
import { openTable } from '../../lakehouse/table.ts';
import { faultyStore } from '../support/faultyStorage.ts';
import { appendIds, createDays, openTestLake, stageIds } from './support.ts';

const PLACE = { table: 'bronze.t', path: 'bronze/t' };
const NOW_MS = Date.parse('2025-06-01T00:00:00Z');

/** Commits with adds, removes of live files, progress and schema changes. */
const logOf = fc
  .array(
    fc.record({
      adds: fc.integer({ min: 0, max: 3 }),
      remove: fc.boolean(),
      app: fc.constantFrom('a', 'b:ü"\'', undefined),
      widen: fc.boolean(),
      partition: fc.constantFrom('2025-01-01', null, "it's ; a=b"),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map(commitsOf);

test('replaying the log equals replaying a checkpoint and the tail after it, at every version', async () => {
  await fc.assert(
    fc.asyncProperty(logOf, fc.nat(), async (commits, choice) => {
      await using lake = await openTestLake(createMemoryStore());
      (lake.clock as unknown as { set(ms: number): void }).set(NOW_MS);
      for (const commit of commits) {
        await lake.store.put(commitKey(PLACE.path, commit.version), serializeCommit(commit));
      }
      const checkpointed = choice % commits.length;
      const before = await loadSnapshot(lake, PLACE, checkpointed);
      await writeCheckpoint(lake, before!);
      for (let version = 0; version < checkpointed; version += 1) {
        await lake.store.remove(commitKey(PLACE.path, version));
      }
      for (let version = checkpointed; version < commits.length; version += 1) {
        const whole = replay(PLACE, undefined, commits.slice(0, version + 1));
        expect(comparable(await loadSnapshot(lake, PLACE, version))).toEqual(comparable(whole));
      }
    }),
    { numRuns: 15 },
  );
});

test('a commit survives serialising and parsing', () => {
  fc.assert(
    fc.property(logOf, (commits) => {
      for (const commit of commits)
        expect(parseCommit(commit.version, serializeCommit(commit))).toEqual(commit);
    }),
    { numRuns: 50 },
  );
});

describe('hostile logs', () => {
  const withCommits = async () => {
    const lake = await openTestLake();
    const table = await createDays(lake);
    for (let i = 1; i <= 21; i += 1) await appendIds(lake, table, { ids: [i] });
    return lake;
  };
  const path = 'bronze/days';
  const bytes = (text: string) => new TextEncoder().encode(text);

  test.each([
    ['missing', undefined],
    ['stale', '{"version":10,"size":1}'],
    ['torn', '{"versi'],
    ['pointing past the end', '{"version":9999,"size":1}'],
  ])('a _last_checkpoint that is %s changes nothing', async (_, content) => {
    await using lake = await withCommits();
    if (content === undefined) await lake.store.remove(lastCheckpointKey(path));
    else await lake.store.put(lastCheckpointKey(path), bytes(content));
    const snapshot = await (await openTable(lake, 'bronze.days'))!.snapshot();
    expect(snapshot.version).toBe(21);
    expect(snapshot.files.size).toBe(21);
  });

  test('a slow writer of an older checkpoint does not take the hint back', async () => {
    await using lake = await withCommits();
    const table = (await openTable(lake, 'bronze.days'))!;
    await writeCheckpoint(lake, await table.snapshot({ version: 10 }));
    expect(new TextDecoder().decode(await lake.store.read(lastCheckpointKey(path)))).toContain(
      '"version":20',
    );
  });

  test('a gap in the log is an error, not a shorter table', async () => {
    await using lake = await openTestLake();
    const table = await createDays(lake);
    for (let i = 1; i <= 5; i += 1) await appendIds(lake, table, { ids: [i] });
    await lake.store.remove(commitKey(path, 3));
    await expect(openTable(lake, 'bronze.days')).rejects.toMatchObject({ code: 'LAKE_LOG_GAP' });
  });

  test('an incremental reader whose next version is gone is told', async () => {
    await using lake = await withCommits();
    const table = (await openTable(lake, 'bronze.days'))!;
    await lake.store.remove(commitKey(path, 5));
    const drain = async () => {
      for await (const _ of table.commits(4, 6));
    };
    await expect(drain()).rejects.toMatchObject({ code: 'LAKE_LOG_TRUNCATED' });
  });

  test.each([
    ['a truncated line', '{"add":{"path":"x"'],
    ['an add without a path', '{"add":{"size":1,"modificationTime":1,"dataChange":true}}'],
    ['progress beyond the exact integers', '{"txn":{"appId":"a","version":9007199254740993}}'],
  ])('%s is an error that names the version', async (_, line) => {
    await using lake = await openTestLake();
    await createDays(lake);
    await lake.store.put(commitKey(path, 1), bytes(line));
    await expect(openTable(lake, 'bronze.days')).rejects.toMatchObject({
      code: 'LAKE_LOG_CORRUPT',
      details: { version: 1 },
    });
  });

  test('unknown actions and fields are ignored, as the protocol demands', async () => {
    await using lake = await openTestLake();
    await createDays(lake);
    await lake.store.put(
      commitKey(path, 1),
      bytes('{"novelty":{"x":1}}\n{"txn":{"appId":"a","version":3,"more":1}}\n'),
    );
    const snapshot = await (await openTable(lake, 'bronze.days'))!.snapshot();
    expect(snapshot.txns.get('a')).toBe(3);
  });

  test.each([
    [
      'a reader feature',
      { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['novel'], writerFeatures: ['novel'] },
    ],
    ['a reader version', { minReaderVersion: 4, minWriterVersion: 7 }],
  ])('%s that we do not know is refused for reading', async (_, protocol) => {
    await using lake = await openTestLake();
    await createDays(lake);
    await lake.store.put(commitKey(path, 1), bytes(JSON.stringify({ protocol })));
    await expect(openTable(lake, 'bronze.days')).rejects.toMatchObject({ code: 'LAKE_PROTOCOL_UNSUPPORTED' });
  });

  test('a writer feature that we do not know is refused for writing only', async () => {
    await using lake = await openTestLake();
    await createDays(lake);
    const protocol = { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['rowTracking'] };
    await lake.store.put(commitKey(path, 1), bytes(JSON.stringify({ protocol })));
    const table = (await openTable(lake, 'bronze.days'))!;
    const base = await table.snapshot();
    await expect(table.commit({ operation: 'WRITE', base, reads: 'nothing' })).rejects.toMatchObject({
      code: 'LAKE_PROTOCOL_UNSUPPORTED',
    });
  });
});

describe('costs', () => {
  test('an append is one data put and one log put', async () => {
    const store = faultyStore(createMemoryStore());
    await using lake = await openTestLake(store);
    await using session = await lake.duckdb.connect();
    const table = await createDays(lake);
    const base = await table.snapshot();
    const start = { ...store.calls };
    const adds = await stageIds(table, session, { ids: [1, 2] });
    await table.commit({ operation: 'WRITE', base, adds, reads: 'nothing' });
    expect(store.calls).toEqual({ ...start, putFile: start.putFile + 1, putIfAbsent: start.putIfAbsent + 1 });
  });

  test('opening at version 1,009 with a checkpoint takes at most 12 reads, a refresh one more per commit', async () => {
    const memory = createMemoryStore();
    await using lake = await openTestLake(memory);
    const table = await createDays(lake);
    for (let i = 1; i <= 1_009; i += 1) {
      const adds = [{ path: `f${i}`, partitionValues: {}, size: 1, modificationTime: 1, dataChange: true }];
      await table.commit({ operation: 'WRITE', base: await table.snapshot(), adds, reads: 'nothing' });
    }
    const store = faultyStore(memory);
    const opened = (await openTable({ ...lake, store }, 'bronze.days'))!;
    expect(store.calls.list).toBe(1);
    expect(store.calls.read + store.calls.list + 1).toBeLessThanOrEqual(12);
    const before = store.calls.read;
    expect((await opened.snapshot()).files.size).toBe(1_009);
    expect(store.calls.read - before).toBe(1);
  });

  test('a commit stands when its checkpoint fails; the next interval writes one', async () => {
    const memory = createMemoryStore();
    let fails = true;
    const store: typeof memory = {
      ...memory,
      putFile: (key, path) => {
        if (fails && key.includes('checkpoint')) throw new TypeError('no space');
        return memory.putFile(key, path);
      },
    };
    await using lake = await openTestLake(store);
    const table = await createDays(lake);
    for (let i = 1; i <= 20; i += 1) {
      if (i === 11) fails = false;
      await appendIds(lake, table, { ids: [i] });
    }
    expect((lake.log as unknown as { entries: object[] }).entries).toMatchObject([{ level: 'warn' }]);
    expect(new TextDecoder().decode(await store.read(lastCheckpointKey('bronze/days')))).toContain(
      '"version":20',
    );
  });
});

function comparable(snapshot: Snapshot | undefined) {
  const { timestampMs: _, ...rest } = snapshot!;
  const clean = (map: ReadonlyMap<string, object>) =>
    [...map]
      .map(([key, value]) => [key, { ...JSON.parse(JSON.stringify(value, dropNull)), dataChange: false }])
      .sort();
  return {
    ...rest,
    metadata: JSON.parse(JSON.stringify(rest.metadata, dropNull)),
    protocol: JSON.parse(JSON.stringify(rest.protocol, dropNull)),
    files: clean(rest.files),
    tombstones: clean(rest.tombstones),
    txnActions: clean(rest.txnActions),
    txns: [...rest.txns].sort(),
    domainMetadata: clean(rest.domainMetadata),
  };
}

/** A checkpoint spells absent fields as null; nulls among partition values count. */
function dropNull(this: unknown, key: string, value: unknown): unknown {
  return value === null && key !== 'day' ? undefined : value;
}

function commitsOf(
  steps: readonly {
    adds: number;
    remove: boolean;
    app: string | undefined;
    widen: boolean;
    partition: string | null;
  }[],
): Commit[] {
  const live: string[] = [];
  const fields = [field('id', 'long'), field('day', 'string')];
  return steps.map((step, version): Commit => {
    const adds = Array.from({ length: step.adds }, (_, i) => ({
      path: `f${version}-${i}%20x.parquet`,
      partitionValues: { day: step.partition },
      size: 9_007_199_254_740_991,
      modificationTime: NOW_MS,
      dataChange: true,
      stats: '{"numRecords":1,"maxValues":{"id":9223372036854775807}}',
    }));
    const gone = step.remove ? live.splice(0, 1) : [];
    live.push(...adds.map((add) => add.path));
    if (step.widen)
      fields.push(field(`c${version}`, { type: 'array', elementType: 'double', containsNull: true }));
    const metaData = {
      id: 'table-id',
      format: { provider: 'parquet', options: {} },
      schemaString: serializeSchema(fields),
      partitionColumns: ['day'],
      configuration: { 'delta.appendOnly': 'false' },
      createdTime: 1,
    };
    return {
      version,
      commitInfo: { timestamp: NOW_MS + version },
      ...(version === 0 ? { protocol: { minReaderVersion: 1, minWriterVersion: 2 } } : {}),
      ...(version === 0 || step.widen ? { metaData } : {}),
      txns: step.app === undefined ? [] : [{ appId: step.app, version: version * 7, lastUpdated: NOW_MS }],
      adds,
      removes: gone.map((path) => ({
        path,
        deletionTimestamp: NOW_MS,
        dataChange: true,
        extendedFileMetadata: true,
        partitionValues: { day: null },
        size: 1,
      })),
      domainMetadata: [],
    };
  });
}
