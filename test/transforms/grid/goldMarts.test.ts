import { afterAll, beforeAll, expect, test } from 'vitest';
import { newestRelease, publishRelease } from '../../../lakehouse/release.ts';
import { type GoldMarts, openGoldMarts } from '../../../transforms/grid/goldMarts.ts';
import { createHeldRows } from '../../../transforms/grid/heldRows.ts';
import { openTempLake, type TempLake, testClock } from '../../support/tempLake.ts';
import { randomOf } from '../features/randomStream.ts';
import { GRID_MS, landScene, openTestGrid, scenes } from './gridWorld.ts';

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
  expect(Number.isFinite(marts.view.closedToMs)).toBe(true);
});

test('a release of models alone changes nothing in the view', async () => {
  const marts = await openGoldMarts(lake, await entities(), { heldFromMs: 0 });
  const release = await newestRelease(lake.store);
  await publishRelease(lake, { ...release!, number: release!.number + 1, run: 'models' });
  expect(await marts.refresh()).toBe(false);
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
