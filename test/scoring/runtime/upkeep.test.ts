import { afterEach, beforeEach, expect, test } from 'vitest';
import { createCounters } from '../../../scoring/counters.ts';
import { Totals } from '../../../scoring/runtime/totals.ts';
import { keepUp } from '../../../scoring/runtime/upkeep.ts';
import { silentLog } from '../../support/tempLake.ts';
import { PLACE } from '../deciding.ts';
import { type IntakeWorld, openIntakeWorld } from './intakeWorld.ts';

/** What goes on beside the batches, on a clock that runs ahead. */

const PATIENCE = { timeout: 10_000, interval: 20 };
let world: IntakeWorld;
let ended: AbortController;
let upkeep: Promise<void>;
let told: (number | undefined)[];
beforeEach(async () => {
  world = await openIntakeWorld();
  ended = new AbortController();
  told = [];
});
afterEach(async () => {
  ended.abort();
  await upkeep.catch(() => undefined);
  await world[Symbol.asyncDispose]();
});

function start(): void {
  const { intake, sources, reader, clock } = world;
  upkeep = keepUp(
    {
      ...{ intake, sources, reader, clock, log: silentLog, totals: new Totals(createCounters()) },
      ...{ group: { commitOffsets: async () => {} }, pollMs: 2_000, fields: () => ({}) },
      poll: async (caughtUpAtMs) => void told.push(caughtUpAtMs()),
    },
    ended.signal,
  );
  upkeep.catch(world.failures.push.bind(world.failures));
}

test('what retention takes from under a scorer that lags is decided from bronze', async () => {
  const { log, intake, queue, failures } = world;
  await world.land(10);
  log.logEnd = 12;
  await world.assign(PLACE.partition);
  expect([...intake.owned.values()].map(({ taken }) => taken)).toEqual([0]);
  // Kafka's next answer is from offset 10 on; whoever asks for 0 again never gets on.
  log.logStart = 10;
  start();
  await expect.poll(() => queue.size, PATIENCE).toBe(10);
  expect(queue.take(100).map(({ offset }) => offset)).toEqual(Array.from({ length: 10 }, (_, i) => i));
  expect(failures).toEqual([]);
  expect([...intake.owned.values()].map(({ taken }) => taken)).toEqual([10]);
});

test('who gets partitions with a backlog is not caught up with what it was before', async () => {
  const { log } = world;
  await world.land(10);
  log.logEnd = 10;
  start();
  await expect.poll(() => told.at(-1), PATIENCE).toBeGreaterThan(0);
  await world.assign(PLACE.partition);
  const before = told.length;
  await expect.poll(() => told.length, PATIENCE).toBeGreaterThan(before + 5);
  expect(new Set(told.slice(before))).toEqual(new Set([undefined]));
});

test('under load, when something always waits, gold values of long ago are let go all the same', async () => {
  const { log, intake, queue, clock } = world;
  await world.land(10);
  log.logEnd = 10;
  await world.assign(PLACE.partition);
  await intake.accept(world.fetchOf(0, 10), async () => {});
  const [owner] = intake.owned.values();
  if (owner === undefined) throw new Error('nothing is owned');
  const arrivedAtMs = clock.atMs;
  Object.assign(owner, { published: 5, arrivedAtMs });
  start();
  await expect.poll(() => told.at(-1), PATIENCE).toBeDefined();
  // As far as arrivals may step back: L and a quarter of an hour.
  expect(told.at(-1)).toBe(arrivedAtMs - 75 * 60_000);
  queue.clear();
  await expect.poll(() => told.at(-1), PATIENCE).toBeGreaterThan(arrivedAtMs);
});
