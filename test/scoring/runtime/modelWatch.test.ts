import { afterEach, beforeEach, expect, test } from 'vitest';
import { openRegistry, type Registry } from '../../../scoring/registry.ts';
import { ModelWatch } from '../../../scoring/runtime/modelWatch.ts';
import { faultyStore } from '../../support/faultyStorage.ts';
import { openTempLake, silentLog, type TempLake, testClock } from '../../support/tempLake.ts';
import { amountFiles, NOW_MS, openDecider, openLane, sets, transfer } from '../deciding.ts';

/** Who decides follows the aliases, and never somebody who was not checked. */

const clock = testClock(NOW_MS);
let home: TempLake;
let store: ReturnType<typeof faultyStore>;
let registry: Registry;
let watch: ModelWatch;
let decider: ReturnType<typeof openDecider>['decider'];
beforeEach(async () => {
  home = await openTempLake(clock);
  store = faultyStore(home.store);
  registry = openRegistry({ ...home, store });
  decider = openDecider().decider;
  watch = new ModelWatch({ registry, decider, sets, clock, log: silentLog });
  for (const version of ['first', 'second']) await registry.register(amountFiles({ version }));
});
afterEach(async () => {
  await watch[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

async function point(version: string | null): Promise<void> {
  const { seen } = await registry.aliases();
  const change = { alias: 'champion', move: 'promote', version, by: 'test', reason: 'test' } as const;
  expect(await registry.point(change, seen)).toBe('written');
}

/** The version that decides, or why none does. */
async function decidedBy(): Promise<string | undefined> {
  const [decision] = await decider.decide([
    { lane: openLane(), offset: 0, record: transfer(), receivedAtMs: NOW_MS },
  ]);
  return decision?.model_version ?? decision?.reason_code;
}

test('each version takes over from the one before; with the last one taken away nobody decides', async () => {
  await watch.poll();
  expect(await decidedBy()).toBe('NO_MODEL');
  for (const version of ['first', 'second', 'first']) {
    await point(version);
    expect(await decidedBy()).not.toBe(version);
    await watch.poll();
    expect(await decidedBy()).toBe(version);
  }
  await point(null);
  await watch.poll();
  expect([watch.version, await decidedBy()]).toEqual([undefined, 'NO_MODEL']);
});

test('a registry that cannot be read changes nothing', async () => {
  await point('first');
  await watch.poll();
  await point('second');
  store.failReads = 1;
  await watch.poll();
  expect(store.failReads).toBe(0);
  expect(await decidedBy()).toBe('first');
  await watch.poll();
  clock.nowMsValue += 60_000;
  await watch.poll();
  expect(await decidedBy()).toBe('second');
});

test('a damaged version decides nothing, and is tried again a minute later', async () => {
  const whole = await store.read('_models/second/model.onnx');
  if (whole === undefined) throw new Error('no model');
  await store.put('_models/second/model.onnx', Buffer.from('no model'));
  await point('first');
  await watch.poll();
  await point('second');
  await watch.poll();
  expect(await decidedBy()).toBe('first');
  await store.put('_models/second/model.onnx', whole);
  await watch.poll();
  expect(await decidedBy()).toBe('first');
  clock.nowMsValue += 60_000;
  await watch.poll();
  expect(await decidedBy()).toBe('second');
});
