import { afterAll, beforeAll, expect, test } from 'vitest';
import { txFintech } from '../../../ingestion/contracts/txFintech.ts';
import { newestRelease, publishRelease } from '../../../lakehouse/release.ts';
import { scan } from '../../../lakehouse/scan.ts';
import { openTable } from '../../../lakehouse/table.ts';
import { type GoldMarts, openGoldMarts } from '../../../transforms/grid/goldMarts.ts';
import { createHeldRows } from '../../../transforms/grid/heldRows.ts';
import { bringMart } from '../../../transforms/grid/martsStep.ts';
import { openTempLake, type TempLake, testClock } from '../../support/tempLake.ts';
import { randomOf } from '../features/randomStream.ts';
import {
  GRID_MS,
  goldEntry,
  gridContent,
  idOf,
  landLive,
  landScene,
  openTestGrid,
  scenes,
  transfer,
} from './gridWorld.ts';

/** Gold values in memory: what is held, what is said of it, and what a refresh takes over. */

const START = Date.UTC(2026, 2, 1, 23, 59, 23);
const SCENES = scenes(3, 8, START);
const CLOSED = START + 8 * GRID_MS - 3_000;

let clock: ReturnType<typeof testClock>;
let lake: TempLake;
let history: GoldMarts[];
beforeAll(async () => {
  clock = testClock(START);
  lake = await openTempLake(clock);
  history = [];
  for (const scene of SCENES) {
    clock.nowMsValue = scene.nowMs;
    await landScene(lake, scene);
    const { run, deps } = await openTestGrid(lake);
    await run();
    history.push(await openGoldMarts(lake, deps.entities, { heldFromMs: 0 }));
  }
}, 120_000);
afterAll(() => lake[Symbol.asyncDispose]());

async function entities() {
  return (await openTestGrid(lake)).deps.entities;
}

function read({ view }: GoldMarts, entity: number, id: string | undefined, asOfMs: number) {
  const row = new Float64Array(3).fill(-1);
  const status = view.read(entity, id, asOfMs, { row, at: 0 });
  return { status, values: [...row] };
}

/** Every answer about everybody at each of these grid points. */
function answers(marts: GoldMarts, points: readonly number[]) {
  const ids = [
    ['ann', 'bob', 'eve', 'joe', 'nobody'],
    ['phone', 'console', 'tablet', 'nothing'],
  ];
  return points.flatMap((asOfMs) =>
    ids.flatMap((own, entity) => own.map((id) => ({ asOfMs, id, ...read(marts, entity, id, asOfMs) }))),
  );
}

const points = Array.from({ length: 7 }, (_, i) => CLOSED - i * GRID_MS);

test('a view that was refreshed again and again says what one says that loads everything', async () => {
  const fresh = history.at(-1)!;
  expect(fresh.view.closedToMs).toBe(CLOSED);
  const oldest = history[0]!;
  expect(await oldest.refresh()).toBe(true);
  expect(await oldest.refresh()).toBe(false);
  expect(answers(oldest, points)).toEqual(answers(fresh, points));
  expect(answers(fresh, points).filter(({ status }) => status === 'PRESENT').length).toBeGreaterThan(20);
});

test('a later grid point says what it said when it was the newest one', async () => {
  const fresh = history.at(-1)!;
  for (const marts of history.slice(1, -1)) {
    const at = [marts.view.closedToMs];
    expect(answers(fresh, at)).toEqual(answers(marts, at));
  }
});

test('statuses say how far marts are behind, and what was never there', () => {
  const marts = history.at(-1)!;
  const present = answers(marts, [CLOSED]).find(({ status }) => status === 'PRESENT')!;
  expect(read(marts, 0, 'nobody', CLOSED)).toEqual({ status: 'NOT_FOUND', values: [0, 0, Number.NaN] });
  expect(read(marts, 0, undefined, CLOSED)).toMatchObject({
    status: 'NOT_FOUND',
    values: [Number.NaN, Number.NaN, Number.NaN],
  });
  expect(read(marts, 0, present.id, CLOSED + GRID_MS)).toEqual({ status: 'STALE', values: present.values });
  expect(read(marts, 0, present.id, CLOSED + 60_000).status).toBe('STALE');
  expect(read(marts, 0, present.id, CLOSED + 70_000)).toMatchObject({
    status: 'OUTSIDE_MAX_AGE',
    values: [Number.NaN, Number.NaN, Number.NaN],
  });
});

test('what is older than the first undecided event needs is not held', async () => {
  const marts = await openGoldMarts(lake, await entities(), { heldFromMs: CLOSED - GRID_MS });
  expect(answers(marts, points.slice(0, 2))).toEqual(answers(history.at(-1)!, points.slice(0, 2)));
  expect(read(marts, 0, 'ann', CLOSED - 2 * GRID_MS)).toMatchObject({
    status: 'NOT_HELD',
    values: [Number.NaN, Number.NaN, Number.NaN],
  });
  expect(marts.rows).toBeLessThan(history.at(-1)!.rows);
  // Before the marts begin there is nothing to hold.
  expect(read(history.at(-1)!, 0, 'ann', CLOSED - 1_000 * GRID_MS).status).toBe('NOT_HELD');
});

test('without marts nothing is known, until a release brings them', async () => {
  const early = testClock(START);
  await using empty = await openTempLake(early);
  const { run, deps } = await openTestGrid(empty);
  const marts = await openGoldMarts(empty, deps.entities, { heldFromMs: START });
  expect(marts.view.closedToMs).toBe(Number.NEGATIVE_INFINITY);
  expect(read(marts, 0, 'ann', START).status).toBe('OUTSIDE_MAX_AGE');
  expect(await marts.refresh()).toBe(false);
  early.nowMsValue = SCENES[0]!.nowMs;
  await landScene(empty, SCENES[0]!);
  await run();
  expect(await marts.refresh()).toBe(true);
  const closedMs = marts.view.closedToMs;
  early.nowMsValue += GRID_MS;
  await run();
  await marts.refresh();
  const known = answers(marts, [closedMs + GRID_MS]).filter(({ status }) => status === 'PRESENT');
  expect(known.length).toBeGreaterThan(2);

  // Nothing happens for longer than the longest window: who was known is as unknown as who never came.
  early.nowMsValue += 100_000;
  await run();
  await marts.refresh();
  const later = answers(marts, [marts.view.closedToMs]);
  expect(later.map(({ status }) => status)).toEqual(later.map(() => 'NOT_FOUND'));
  expect(later.find(({ id }) => id === known[0]?.id)?.values).toEqual(
    later.find(({ id }) => id === 'nobody')?.values,
  );
  expect(answers(marts, [closedMs + GRID_MS]).filter(({ status }) => status === 'PRESENT')).toEqual(known);
});

test('of whom nothing changes a day knows as much as the day before', async () => {
  const evening = Date.UTC(2026, 2, 1, 23, 58, 13);
  const night = testClock(evening);
  await using quiet = await openTempLake(night);
  const content = gridContent([goldEntry('n_1h', { entity: 'actor', aggregation: 'count', window: '1h' })]);
  const { run, deps } = await openTestGrid(quiet, { content });
  await landLive(quiet, txFintech, [{ arrivedAtMs: evening, value: transfer(idOf(1), evening - 1_000) }]);
  for (const seconds of [10, 80, 140]) {
    night.nowMsValue = evening + seconds * 1_000;
    await run();
  }
  const midnight = Date.UTC(2026, 2, 2);
  const marts = await openGoldMarts(quiet, deps.entities, { heldFromMs: midnight + GRID_MS });
  const row = new Float64Array(4);
  expect(marts.view.read(0, 'ann', midnight + GRID_MS, { row, at: 0 })).toBe('PRESENT');
  expect(row[3]).toBe(1);

  // The day before goes once all that is kept lies in this one; what is kept stays as it was.
  const daysOf = async () => {
    const mart = await (await openTable(quiet, deps.entities[0]!.martTable))?.snapshot();
    return [
      ...new Set([...mart!.files.values()].map((file) => file.partitionValues['as_of_date'])),
    ].toSorted();
  };
  expect(await daysOf()).toEqual(['2026-03-01', '2026-03-02']);
  for (const seconds of [200, 260, 320]) {
    night.nowMsValue = evening + seconds * 1_000;
    await run();
  }
  expect(await daysOf()).toEqual(['2026-03-02']);
  const later = await openGoldMarts(quiet, deps.entities, { heldFromMs: 0 });
  expect(later.view.read(0, 'ann', midnight + GRID_MS, { row, at: 0 })).toBe('PRESENT');
  expect(later.view.read(0, 'ann', midnight, { row, at: 0 })).toBe('PRESENT');
  expect(later.view.read(0, 'ann', midnight - GRID_MS, { row, at: 0 })).toBe('NOT_HELD');
});

test('a mart is used by those whose features have the definitions that it was made by', async () => {
  const early = testClock(SCENES[0]!.nowMs);
  await using own = await openTempLake(early);
  await landScene(own, SCENES[0]!);
  const { run, deps } = await openTestGrid(own);
  await run();
  const old = await openGoldMarts(own, deps.entities, { heldFromMs: 0 });
  const content = gridContent([goldEntry('n_60s', { entity: 'actor', aggregation: 'count', window: '60s' })]);
  const next = await openTestGrid(own, { content });
  const more = await openGoldMarts(own, next.deps.entities, { heldFromMs: 0 });
  // As if a seed or a contract had changed: the columns are called what they were called.
  const changed = deps.entities.map((entity, i) => ({
    ...entity,
    features: entity.features.map((one) => (i === 1 ? { ...one, hash: 'another' } : one)),
  }));
  const other = await openGoldMarts(own, changed, { heldFromMs: 0 });
  expect([more, other].map(({ view }) => view.closedToMs)).toEqual([-Infinity, -Infinity]);
  expect(read(other, 0, 'ann', old.view.closedToMs).status).toBe('OUTSIDE_MAX_AGE');

  early.nowMsValue += GRID_MS;
  await next.run();
  expect([await old.refresh(), await more.refresh(), await other.refresh()]).toEqual([true, true, false]);
  expect(old.view.closedToMs).toBe(more.view.closedToMs);
});

test('what a producer dates three days ahead is in the mart when its time comes', async () => {
  const now = testClock(START);
  await using own = await openTempLake(now);
  const aheadMs = START + 3 * 86_400_000;
  await landLive(own, txFintech, [{ arrivedAtMs: aheadMs, value: transfer(idOf(1), aheadMs) }]);
  const { run, deps } = await openTestGrid(own);
  await run();
  const [actor] = deps.entities;
  const tiles = await (await openTable(own, actor!.tilesTable))?.snapshot();
  const toMs = Math.ceil(aheadMs / GRID_MS) * GRID_MS;
  const step = await bringMart(own, actor!, { ...deps.settings, tiles: tiles!, toMs });
  await using rows = await scan(own, step!.snapshot);
  await using session = await own.duckdb.connect();
  const found = await session.rows(`select n_20s from ${rows.sql} where epoch_ms(as_of) = ${toMs}`);
  expect(found).toEqual([{ n_20s: 1 }]);
});

test('a release of models alone changes nothing in the view', async () => {
  const opened: string[] = [];
  const openLocal: typeof lake.store.openLocal = async (key) => {
    opened.push(key);
    return await lake.store.openLocal(key);
  };
  const watched = { ...lake, store: { ...lake.store, openLocal } };
  const marts = await openGoldMarts(watched, await entities(), { heldFromMs: 0 });
  expect(opened.splice(0)).not.toEqual([]);
  const release = await newestRelease(lake.store);
  await publishRelease(lake, { ...release!, number: release!.number + 1, run: 'models' });
  expect(await marts.refresh()).toBe(false);
  expect(opened).toEqual([]);
  expect(answers(marts, points)).toEqual(answers(history.at(-1)!, points));
});

test('held rows are those of a plain list, whatever is put and forgotten', () => {
  const random = randomOf(5);
  const rows = createHeldRows(2);
  const list: { id: string; asOfMs: number; values: number[] | undefined }[] = [];
  let forgotten = 0;
  for (let asOfMs = 1; asOfMs <= 400; asOfMs += 1) {
    for (let i = 0; i < 5; i += 1) {
      const id = `id-${random.below(600)}`;
      const values = random.below(6) === 0 ? undefined : [random.below(3), random.pick(Number.NaN, 0, -0, 7)];
      rows.put(id, asOfMs, values && Float64Array.from(values));
      list.push({ id, asOfMs, values });
    }
    if (random.below(20) === 0) {
      forgotten = asOfMs - random.below(10);
      rows.forgetBefore(forgotten);
    }
    const id = `id-${random.below(600)}`;
    const wantedMs = forgotten + random.below(asOfMs - forgotten + 1);
    const wanted = list.findLast((one) => one.id === id && one.asOfMs <= wantedMs)?.values;
    const target = { row: new Float64Array(2), at: 0 };
    expect(rows.read(id, wantedMs, target)).toBe(wanted !== undefined);
    if (wanted !== undefined) expect([...target.row]).toEqual(wanted);
  }
  rows.forgetBefore(400);
  // One row each, but for those that are empty, which may have made room.
  const last = new Map(list.map(({ id, values }) => [id, values]));
  const known = [...last.values()].filter((values) => values !== undefined);
  expect(rows.rows).toBeGreaterThanOrEqual(known.length);
  expect(rows.rows).toBeLessThanOrEqual(last.size);
  expect(rows.entities).toBe(rows.rows);
});

test('entities that are gone for good make room for others', () => {
  const rows = createHeldRows(1);
  for (let day = 1; day <= 50; day += 1) {
    for (let i = 0; i < 400; i += 1) rows.put(`${day}-${i}`, day, Float64Array.of(i));
    for (let i = 0; i < 400; i += 1) rows.put(`${day}-${i}`, day + 1, undefined);
    rows.forgetBefore(day + 1);
  }
  expect(rows.entities).toBeLessThan(4_000);
  expect(rows.bytes).toBeLessThan(400_000);
  expect(rows.read('50-3', 50, { row: new Float64Array(1), at: 0 })).toBe(false);
});
