import { expect, test } from 'vitest';
import { loadConfig } from '../../../infra/core/config.ts';
import { labels } from '../../../ingestion/contracts/labels.ts';
import { txFintech } from '../../../ingestion/contracts/txFintech.ts';
import { txGaming } from '../../../ingestion/contracts/txGaming.ts';
import { optimizeTable } from '../../../lakehouse/optimize.ts';
import { newestRelease } from '../../../lakehouse/release.ts';
import { scan } from '../../../lakehouse/scan.ts';
import { openTable } from '../../../lakehouse/table.ts';
import { closeGrid } from '../../../transforms/grid/closeGrid.ts';
import { type Closing, createClosingReader, putClosing } from '../../../transforms/grid/closings.ts';
import { createGridRunner } from '../../../transforms/grid/runGrid.ts';
import { firstClosing, openVisibleRows, visibleRanges } from '../../../transforms/grid/visibleRows.ts';
import { openTempLake, type TempLake, testClock } from '../../support/tempLake.ts';
import { idOf, label, landLive, openTestGrid, purchase, transfer } from './gridWorld.ts';

/** Which grid points are closed, when, and which rows each of them shows first. */

const NOON = Date.UTC(2026, 2, 1, 12);
const FILE = 'file:0a1b';

let made = 0;
/** Records that arrive now, a second after they happened. */
async function transfers(lake: TempLake, ...partitions: number[]): Promise<void> {
  const nowMs = lake.clock.nowMs();
  await Promise.all(
    partitions.map((partition) => {
      made += 1;
      const value = transfer(idOf(made), nowMs - 1_000);
      return landLive(lake, txFintech, [{ arrivedAtMs: nowMs, value }], { partition });
    }),
  );
}

async function closingsOf(lake: TempLake): Promise<readonly Closing[]> {
  return await createClosingReader(lake.store)(Number.POSITIVE_INFINITY);
}

/** When each transfer is visible, by place. */
async function visibleOf(lake: TempLake): Promise<Record<string, number>> {
  const closings = await closingsOf(lake);
  const bronze = await (await openTable(lake, txFintech.table))?.snapshot();
  const { deps } = await openTestGrid(lake);
  const isFile = (name: string) => !deps.sources.some((source) => source.isLive(name));
  const ranges = visibleRanges(closings, txFintech.table, { isFile });
  await using rows = await openVisibleRows(lake, bronze!, { ranges, first: firstClosing(closings)! });
  await using session = await lake.duckdb.connect();
  const found = await session.rows(
    `select _topic_id || '/' || _partition || '/' || _offset as place, ((visible_from_ms - ${NOON}) / 1000)::int as s from ${rows.sql} order by place`,
  );
  return Object.fromEntries(found.map(({ place, s }) => [place, s])) as Record<string, number>;
}

test('a grid point is closed with what landed, once landing has passed the ends of the logs', async () => {
  const clock = testClock(NOON + 1_900);
  await using lake = await openTempLake(clock);
  await transfers(lake, 0);
  const { deps } = await openTestGrid(lake, { logEnds: async () => new Map([['tx.fintech@id-1:0', 2]]) });
  expect((await closeGrid(deps))?.atMs).toBe(NOON - 10_000);
  clock.nowMsValue = NOON + 2_000;
  const slow = {
    ...clock,
    sleep: async (ms: number) => {
      clock.nowMsValue += ms;
      if (clock.nowMsValue === NOON + 3_000) await transfers(lake, 0);
    },
  };
  const closing = await closeGrid({ ...deps, lake: { ...lake, clock: slow } });
  expect(closing?.atMs).toBe(NOON);
  expect(closing?.offsets[txFintech.table]).toEqual({ 'tx.fintech@id-1:0': 2 });
  expect(clock.nowMsValue).toBe(NOON + 3_000);
});

test('an idle topic is not waited for, a stuck partition no longer than allowed', async () => {
  const clock = testClock(NOON + 2_000);
  await using lake = await openTempLake(clock);
  await transfers(lake, 0, 1);
  const ends = new Map([
    ['tx.fintech@id-1:0', 1],
    ['tx.fintech@id-1:1', 5],
    ['tx.gaming@id-1:0', 0],
  ]);
  const { deps } = await openTestGrid(lake, { logEnds: async () => ends });
  const closing = await closeGrid(deps);
  expect(clock.nowMs() - NOON).toBe(2_000 + deps.settings.waitMs);
  expect(closing?.offsets[txFintech.table]).toEqual({ 'tx.fintech@id-1:0': 1, 'tx.fintech@id-1:1': 1 });
  // What was stuck shows with the next grid point; nothing that is closed changes.
  clock.nowMsValue = NOON + 12_000;
  await transfers(lake, 1);
  await closeGrid({ ...deps, logEnds: async () => new Map() });
  expect(await visibleOf(lake)).toEqual({ 'id-1/0/0': 0, 'id-1/1/0': 0, 'id-1/1/1': 10 });
});

test('while Kafka is away nothing is closed; the next closing skips what was missed', async () => {
  const clock = testClock(NOON + 2_000);
  await using lake = await openTempLake(clock);
  await transfers(lake, 0);
  const { deps } = await openTestGrid(lake);
  await closeGrid(deps);
  clock.nowMsValue = NOON + 33_000;
  await transfers(lake, 0);
  expect((await closeGrid({ ...deps, logEnds: async () => undefined }))?.atMs).toBe(NOON);
  clock.nowMsValue = NOON + 45_000;
  expect((await closeGrid(deps))?.atMs).toBe(NOON + 40_000);
  const closings = await closingsOf(lake);
  expect(closings.map(({ atMs, isSkipped }) => [(atMs - NOON) / 1_000, isSkipped])).toEqual([
    [0, false],
    [10, true],
    [20, true],
    [30, true],
    [40, false],
  ]);
  expect(await visibleOf(lake)).toEqual({ 'id-1/0/0': 0, 'id-1/0/1': 40 });
});

test('files that land before the first closing are visible when they arrived, later ones from the next closing on', async () => {
  const clock = testClock(NOON + 3_000);
  await using lake = await openTempLake(clock);
  const sent = (arrivedAtMs: number) => {
    made += 1;
    return { arrivedAtMs, value: transfer(idOf(made), arrivedAtMs - 100) };
  };
  const arrivals = [-50_000, -48_001, -48_000, -47_999, 1_900, 2_900].map((ms) => sent(NOON + ms));
  await landLive(lake, txFintech, arrivals, { topicId: FILE });
  const { deps } = await openTestGrid(lake, { logEnds: async () => undefined });
  await closeGrid(deps);
  clock.nowMsValue = NOON + 12_000;
  await landLive(lake, txFintech, [sent(NOON - 70_000)], { topicId: 'file:late' });
  await closeGrid(deps);
  // 2 s after a grid point it is closed: what arrived until then is visible from it on.
  expect(await visibleOf(lake)).toEqual({
    [`${FILE}/0/0`]: -50,
    [`${FILE}/0/1`]: -50,
    [`${FILE}/0/2`]: -50,
    [`${FILE}/0/3`]: -40,
    [`${FILE}/0/4`]: 0,
    // It had landed when the grid point was closed.
    [`${FILE}/0/5`]: 0,
    'file:late/0/0': 10,
  });
});

test('who does not begin with files leaves time for more of them, until a live record has landed', async () => {
  const clock = testClock(NOON + 2_000);
  await using lake = await openTempLake(clock);
  const sent = (arrivedAtMs: number) => {
    made += 1;
    return { arrivedAtMs, value: transfer(idOf(made), arrivedAtMs - 100) };
  };
  const { deps } = await openTestGrid(lake);
  const watching = { ...deps, beginsWithFiles: false };
  await landLive(lake, txFintech, [sent(NOON - 50_000)], { topicId: FILE });
  expect(await closeGrid(watching)).toBeUndefined();
  clock.nowMsValue += 10_000;
  await landLive(lake, txFintech, [sent(NOON - 70_000)], { topicId: 'file:more' });
  await transfers(lake, 0);
  expect((await closeGrid(watching))?.atMs).toBe(NOON + 10_000);
  expect(await visibleOf(lake)).toEqual({ [`${FILE}/0/0`]: -50, 'file:more/0/0': -70, 'id-1/0/0': 10 });
});

test('of a file that compaction made of several commits only rows below the closing are visible', async () => {
  const clock = testClock(NOON + 2_000);
  await using lake = await openTempLake(clock);
  await transfers(lake, 0);
  const { deps } = await openTestGrid(lake);
  await closeGrid(deps);
  await transfers(lake, 0);
  await transfers(lake, 0);
  clock.nowMsValue += 60_000;
  const table = await openTable(lake, txFintech.table);
  const { filesAfter } = await optimizeTable(lake, table!, { minFiles: 2, minAgeMs: 0 });
  expect(filesAfter).toBe(1);
  expect(await visibleOf(lake)).toEqual({ 'id-1/0/0': 0 });
});

test('nothing is closed before anything has landed', async () => {
  await using lake = await openTempLake(testClock(NOON));
  const { run } = await openTestGrid(lake);
  expect((await run()).outcome).toBe('not closed');
  expect(await closingsOf(lake)).toEqual([]);
});

test('a closer that slept finds its grid point taken, and takes the one that is due', async () => {
  const clock = testClock(NOON + 2_000);
  await using lake = await openTempLake(clock);
  await transfers(lake, 0);
  const { deps } = await openTestGrid(lake);
  const asleep = Promise.withResolvers<Map<string, number>>();
  const zombie = closeGrid({ ...deps, logEnds: () => asleep.promise });
  await closeGrid(deps);
  clock.nowMsValue = NOON + 22_000;
  await transfers(lake, 0);
  await closeGrid(deps);
  await transfers(lake, 0);
  asleep.resolve(new Map());
  expect((await zombie)?.atMs).toBe(NOON + 20_000);
  expect(await visibleOf(lake)).toEqual({ 'id-1/0/0': 0, 'id-1/0/1': 20 });
});

test('who begins the chain and falls asleep holds up nobody, and changes nothing when it wakes', async () => {
  const clock = testClock(NOON + 2_000);
  await using lake = await openTempLake(clock);
  await transfers(lake, 0);
  const { deps } = await openTestGrid(lake);
  const isOpen = Promise.withResolvers<void>();
  // It has said where the chain begins when its first closing is held up.
  const putIfAbsent: typeof lake.store.putIfAbsent = async (key, body) => {
    if (key.endsWith('.json')) await isOpen.promise;
    return await lake.store.putIfAbsent(key, body);
  };
  const zombie = closeGrid({ ...deps, lake: { ...lake, store: { ...lake.store, putIfAbsent } } });
  await expect.poll(() => lake.store.read('_closings/_first')).toBeDefined();
  clock.nowMsValue = NOON + 22_000;
  await closeGrid(deps);
  isOpen.resolve();
  expect((await zombie)?.atMs).toBe(NOON + 20_000);
  expect((await closingsOf(lake)).map(({ isSkipped }) => isSkipped)).toEqual([true, true, false]);
  expect(await visibleOf(lake)).toEqual({ 'id-1/0/0': 20 });
});

test('who would begin the chain before the grid point at which another began it closes nothing', async () => {
  const clock = testClock(NOON + 2_000);
  await using lake = await openTempLake(clock);
  await transfers(lake, 0);
  const { deps } = await openTestGrid(lake);
  const [waits, asleep] = [Promise.withResolvers<void>(), Promise.withResolvers<Map<string, number>>()];
  const logEnds = () => {
    waits.resolve();
    return asleep.promise;
  };
  const slow = closeGrid({ ...deps, logEnds });
  await waits.promise;
  clock.nowMsValue = NOON + 22_000;
  await closeGrid(deps);
  await transfers(lake, 0);
  asleep.resolve(new Map());
  expect((await slow)?.atMs).toBe(NOON + 20_000);
  expect((await closingsOf(lake)).map(({ atMs }) => atMs)).toEqual([NOON + 20_000]);
  expect(await visibleOf(lake)).toEqual({ 'id-1/0/0': 20 });
});

test('while the chain shows nothing yet and Kafka is away there is nothing to roll up', async () => {
  const clock = testClock(NOON + 2_000);
  await using lake = await openTempLake(clock);
  await transfers(lake, 0);
  const { deps } = await openTestGrid(lake);
  const skipped = { atMs: NOON - 10_000, gridMs: 10_000, delayMs: 2_000, isSkipped: true, offsets: {} };
  await putClosing(lake, skipped);
  const run = createGridRunner({ ...deps, logEnds: async () => undefined });
  expect((await run()).outcome).toBe('not closed');
  expect((await createGridRunner(deps)()).outcome).toBe('published');
});

test('a lost answer of the store is resolved by reading back', async () => {
  const clock = testClock(NOON);
  await using lake = await openTempLake(clock);
  const closing: Closing = { atMs: NOON, gridMs: 10_000, delayMs: 0, isSkipped: false, offsets: {} };
  let puts = 0;
  const store = {
    ...lake.store,
    putIfAbsent: async (key: string, body: Uint8Array) => {
      puts += 1;
      if (puts > 1) await lake.store.putIfAbsent(key, body);
      return 'unknown' as const;
    },
  };
  expect(await putClosing({ ...lake, store }, closing)).toBe('closed');
  expect(await putClosing(lake, { ...closing, delayMs: 1 })).toBe('taken');
});

test('a closing that is missing, and another grid, are refused', async () => {
  const clock = testClock(NOON + 2_000);
  await using lake = await openTempLake(clock);
  await transfers(lake, 0);
  const { deps } = await openTestGrid(lake);
  await closeGrid(deps);
  clock.nowMsValue += 40_000;
  await closeGrid(deps);
  const settings = { ...deps.settings, gridMs: 20_000 };
  await expect(closeGrid({ ...deps, settings })).rejects.toMatchObject({ code: 'GRID_CHANGED' });
  await lake.store.remove(`_closings/${String(NOON + 10_000).padStart(16, '0')}.json`);
  await expect(closingsOf(lake)).rejects.toMatchObject({ code: 'GRID_CLOSING_CORRUPT' });
});

test('a grid by which days begin between two grid points is refused', () => {
  for (const grid of ['7h', '0s', '2d'])
    expect(() => loadConfig({ TIDEMARK_GRID: grid })).toThrow('TIDEMARK_GRID: expected a part of a day');
  expect(loadConfig({ TIDEMARK_GRID: '1d' }).grid.gridMs).toBe(86_400_000);
});

test('rows of all tables that feed an entity count, labels when they and their event are visible', async () => {
  const clock = testClock(NOON + 2_000);
  await using lake = await openTempLake(clock);
  const at = clock.nowMs();
  // The label comes two grid points before its event.
  await landLive(lake, labels, [{ arrivedAtMs: at, value: label(idOf(900), at - 1_000) }]);
  const { run } = await openTestGrid(lake);
  await run();
  clock.nowMsValue += 20_000;
  await landLive(lake, txFintech, [{ arrivedAtMs: at + 20_000, value: transfer(idOf(900), at + 10_000) }]);
  await landLive(lake, txGaming, [
    { arrivedAtMs: at + 20_000, value: purchase(idOf(901), at + 10_000, { device_id: 'phone' }) },
  ]);
  await run();
  const tiles = await (await openTable(lake, 'gold.device_tiles'))?.snapshot();
  await using session = await lake.duckdb.connect();
  await using rows = await scan(lake, tiles!);
  const found = await session.rows(
    `select entity_id, ((epoch_ms(hour) - ${NOON}) / 1000)::int as hour, ((epoch_ms(visible_from) - ${NOON}) / 1000)::int as visible,
       n::int as n, fraud_labels::int as fraud from ${rows.sql} order by all`,
  );
  expect(found).toEqual([
    { entity_id: 'phone', hour: 0, visible: 20, n: 0, fraud: 1 },
    { entity_id: 'phone', hour: 10, visible: 20, n: 2, fraud: 0 },
  ]);
});

test('while nothing is new of any event with a label only new rows are read', async () => {
  const clock = testClock(NOON + 2_000);
  await using lake = await openTempLake(clock);
  const at = clock.nowMs();
  await landLive(lake, txFintech, [{ arrivedAtMs: at, value: transfer(idOf(800), at - 1_000) }]);
  await landLive(lake, labels, [{ arrivedAtMs: at, value: label(idOf(800), at - 1_000) }]);
  const opened = new Set<string>();
  const openLocal: typeof lake.store.openLocal = async (key) => {
    if (key.startsWith('bronze/tx_fintech')) opened.add(key);
    return await lake.store.openLocal(key);
  };
  const { run } = await openTestGrid({ ...lake, store: { ...lake.store, openLocal } });
  await run();
  opened.clear();
  clock.nowMsValue += 10_000;
  await landLive(lake, txFintech, [{ arrivedAtMs: at + 9_000, value: transfer(idOf(801), at + 8_000) }]);
  expect((await run()).outcome).toBe('published');
  expect(opened.size).toBe(1);
});

test('tiles that would count other rows than bronze has are not committed', async () => {
  const clock = testClock(NOON + 2_000);
  await using lake = await openTempLake(clock);
  await transfers(lake, 0);
  const { deps } = await openTestGrid(lake);
  // As if a definition counted only rows with an instrument, which transfers have not.
  const entities = deps.entities.map((entity) => ({
    ...entity,
    partials: entity.partials.map((one) => (one.column === 'n' ? { ...one, of: 'instrument_id' } : one)),
  }));
  await expect(createGridRunner({ ...deps, entities })()).rejects.toMatchObject({ code: 'GRID_ROWS_DIFFER' });
  expect(await newestRelease(lake.store)).toBeUndefined();
});
