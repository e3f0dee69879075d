import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AddFile } from '../../lakehouse/actions.ts';
import { createMemoryStore } from '../../lakehouse/memoryStorage.ts';
import { publishRelease, readRelease } from '../../lakehouse/release.ts';
import { openTable } from '../../lakehouse/table.ts';
import { faultyStore, type PutFault } from '../support/faultyStorage.ts';
import { createDays, openTestLake, type TestLake } from './support.ts';

const FAULTS: readonly PutFault[] = ['none', 'lostAfter', 'lostBefore', 'late', 'refused', 'slow'];

describe('a commit whose answer is lost', () => {
  test.each<[string, PutFault[]]>([
    ['it happened', ['lostAfter']],
    ['it never arrived', ['lostBefore']],
    ['the store did not know (409)', ['refused', 'refused']],
    ['it arrives after the next try', ['late']],
    ['again and again', ['lostBefore', 'late', 'refused', 'lostAfter']],
  ])('is committed once: %s', async (_, faults) => {
    const queue = [...faults];
    await using lake = await lakeWith((key) => (isLog(key) ? (queue.shift() ?? 'none') : 'none'));
    const table = (await openTable(lake, 'bronze.days'))!;
    const result = await table.commit(append(await table.snapshot(), 'only'));
    expect(result).toEqual({ kind: 'committed', version: 1 });
    expect([...(await table.snapshot()).files.keys()]).toEqual(['only']);
    expect((await table.history()).map((c) => c.version)).toEqual([1, 0]);
  });

  test('and the store stays silent: an error in bounded time, which says that it may still appear', async () => {
    await using lake = await lakeWith((key) => (isLog(key) ? 'lostBefore' : 'none'));
    const table = (await openTable(lake, 'bronze.days'))!;
    const startMs = lake.clock.nowMs();
    await expect(table.commit(append(await table.snapshot(), 'x'))).rejects.toMatchObject({
      code: 'LAKE_COMMIT_TIMEOUT',
      retry: 'backoff',
    });
    expect(lake.clock.nowMs() - startMs).toBeLessThan(70_000);
  });

  test('a release whose answer is lost is ours; one that somebody else published is taken', async () => {
    const empty = { createdMs: 1, tables: {}, views: {}, pins: {}, staleSince: {} };
    await using lake = await lakeWith((key) => (key.startsWith('_releases') ? 'lostAfter' : 'none'));
    expect(await publishRelease(lake, { number: 1, run: 'ours', ...empty })).toBe('published');
    expect(await publishRelease(lake, { number: 1, run: 'theirs', ...empty })).toBe('taken');
    expect(await readRelease(lake.store, 1)).toMatchObject({ run: 'ours' });
  });

  test('a release that the store never takes is given up in bounded time', async () => {
    const empty = { createdMs: 1, tables: {}, views: {}, pins: {}, staleSince: {} };
    let puts = 0;
    await using lake = await lakeWith((key) => {
      if (!key.startsWith('_releases')) return 'none';
      puts += 1;
      if (puts > 1_000) throw new Error('it spins');
      return 'refused';
    });
    const startMs = lake.clock.nowMs();
    await expect(publishRelease(lake, { number: 1, run: 'ours', ...empty })).rejects.toMatchObject({
      code: 'LAKE_COMMIT_TIMEOUT',
    });
    expect(lake.clock.nowMs() - startMs).toBeGreaterThan(1_000);
  });
});

test('interleaved appenders on a faulty store lose nothing, double nothing and leave no gap', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.constantFrom(...FAULTS), { minLength: 5, maxLength: 40 }),
      fc.integer({ min: 2, max: 4 }),
      async (scheduler, faults, writers) => {
        let n = 0;
        const store = faultyStore(createMemoryStore(), (key) =>
          isLog(key) ? (faults[n++] ?? 'none') : 'none',
        );
        const scheduled = {
          ...store,
          putIfAbsent: (key: string, body: Uint8Array) =>
            scheduler.schedule(Promise.resolve(), 'put').then(() => store.putIfAbsent(key, body)),
        };
        await using lake = { ...(await lakeOn(store)), store: scheduled };
        const committed: string[] = [];
        const work = Array.from({ length: writers }, async (_, writer) => {
          const table = (await openTable(lake, 'bronze.days'))!;
          for (let i = 0; i < 4; i += 1) {
            const name = `w${writer}-${i}`;
            const result = await table.commit(append(await table.snapshot(), name));
            if (result.kind === 'committed') committed.push(`${result.version} ${name}`);
          }
        });
        await scheduler.waitFor(Promise.all(work));
        const table = (await openTable(lake, 'bronze.days'))!;
        const seen: string[] = [];
        const newest = (await table.snapshot()).version;
        for await (const commit of table.commits(0, newest)) {
          for (const add of commit.adds) seen.push(`${commit.version} ${add.path}`);
        }
        expect(newest).toBe(writers * 4);
        expect(seen.toSorted()).toEqual(committed.toSorted());
        expect((await table.snapshot()).files.size).toBe(writers * 4);
      },
    ),
    { numRuns: 15 },
  );
});

test('commit times rise even where a clock stands still or goes back', async () => {
  await using lake = await lakeWith(() => 'none');
  const table = (await openTable(lake, 'bronze.days'))!;
  for (const nowMs of [1_000_000_000_000, 500_000_000_000, 500_000_000_000]) {
    (lake.clock as unknown as { set(ms: number): void }).set(nowMs);
    await table.commit(append(await table.snapshot(), `at ${nowMs} ${Math.random()}`));
  }
  const times = (await table.history()).map((commit) => commit.timestampMs).reverse();
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(new Set(times).size).toBe(times.length);
});

function append(
  base: Awaited<ReturnType<NonNullable<Awaited<ReturnType<typeof openTable>>>['snapshot']>>,
  name: string,
) {
  const add: AddFile = {
    path: name,
    partitionValues: { day: '2025-01-01' },
    size: 1,
    modificationTime: 1,
    dataChange: true,
  };
  return { operation: 'WRITE', base, adds: [add], reads: 'nothing' as const };
}

function isLog(key: string): boolean {
  return /_delta_log\/\d{20}\.json$/.test(key) && !key.includes('00000000000000000000');
}

function lakeWith(nextFault: (key: string) => PutFault): Promise<TestLake> {
  return lakeOn(faultyStore(createMemoryStore(), nextFault));
}

async function lakeOn(store: Parameters<typeof openTestLake>[0]): Promise<TestLake> {
  const lake = await openTestLake(store);
  await createDays(lake);
  return lake;
}
