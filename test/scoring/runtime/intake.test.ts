import { afterEach, beforeEach, expect, test } from 'vitest';
import { PLACE } from '../deciding.ts';
import { type IntakeWorld, openIntakeWorld } from './intakeWorld.ts';

/** From Kafka to the queue, and what is kept of partitions that others have. */

let world: IntakeWorld;
beforeEach(async () => {
  world = await openIntakeWorld({ queueBytes: 1_000 });
});
afterEach(() => world[Symbol.asyncDispose]());

test('the deadline counts from when a fetch came, not from when the queue had room for it', async () => {
  const { intake, queue, clock, log } = world;
  log.logEnd = 20;
  await world.assign(PLACE.partition);
  const heartbeats: number[] = [];
  const heartbeat = async () => void heartbeats.push(clock.atMs);
  await intake.accept(world.fetchOf(0, 10), heartbeat);
  const receivedAtMs = clock.atMs;
  const held = intake.accept(world.fetchOf(10, 10), heartbeat);
  await expect.poll(() => clock.atMs).toBeGreaterThan(receivedAtMs + 5_000);
  expect(queue.take(100)).toHaveLength(10);
  expect(await held).toBe(true);
  expect(new Set(queue.take(100).map((item) => item.receivedAtMs))).toEqual(new Set([receivedAtMs]));
});

test('windows that nobody gives back are given up; until then they are there', async () => {
  const { intake, clock, log } = world;
  log.logEnd = 20;
  await world.assign(PLACE.partition);
  const [own] = intake.owned.values();
  await world.assign();
  expect(intake.parked).toBe(1);
  clock.atMs += 9 * 60_000;
  intake.forgetParked();
  await world.assign(PLACE.partition);
  expect([...intake.owned.values()].map(({ lane }) => lane)).toEqual([own?.lane]);
  await world.assign();
  clock.atMs += 11 * 60_000;
  intake.forgetParked();
  expect(intake.parked).toBe(0);
});

test('windows that others have gone on with are given up before the restore', async () => {
  const { intake, log } = world;
  log.logEnd = 20;
  await world.assign(PLACE.partition);
  await world.assign();
  await world.decide(5);
  expect(intake.parked).toBe(1);
  // Cut short between the plan and the windows.
  world.afterPlan.push(() => intake.end());
  intake.assign(new Map([[PLACE.topic, [PLACE.partition]]]));
  await expect.poll(() => world.afterPlan.length).toBe(0);
  await expect.poll(() => intake.parked).toBe(0);
  expect(intake.owned.size).toBe(0);
});

test('a fetch that has seen assignments come and go waits for what the newest one reads from bronze', async () => {
  const { intake, queue, log, passed } = world;
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let beats = 0;
  const heartbeat = async () => {
    beats += 1;
    await gates[beats - 1]?.promise;
  };
  const restores = () => passed.filter((name) => name === 'after-restore').length;
  const assign = (...own: readonly number[]) => intake.assign(new Map([[PLACE.topic, own]]));
  await world.land(10);
  log.logEnd = 20;
  assign(PLACE.partition);
  const held = intake.accept(world.fetchOf(10, 10), heartbeat);
  await expect.poll(() => [beats, restores()]).toEqual([1, 1]);
  assign();
  gates[0]?.resolve();
  await expect.poll(() => [beats, restores()]).toEqual([2, 2]);
  // Kafka has only the second half by now; the queue has room for a part of the first one.
  log.logStart = 10;
  assign(PLACE.partition);
  await expect.poll(() => queue.size).toBeGreaterThan(0);
  gates[1]?.resolve();
  const offsets: number[] = [];
  await expect.poll(() => offsets.push(...queue.take(2).map(({ offset }) => offset))).toBe(20);
  expect(offsets).toEqual(Array.from({ length: 20 }, (_, offset) => offset));
  expect(await held).toBe(true);
});
