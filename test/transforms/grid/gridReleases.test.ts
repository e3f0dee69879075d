import { expect, test } from 'vitest';
import { newestRelease, publishRelease } from '../../../lakehouse/release.ts';
import { checkReleases } from '../../../observability/releaseClosure.ts';
import { collectViolations } from '../../../observability/violations.ts';
import { rollBack } from '../../../transforms/rollback.ts';
import { runModels } from '../../../transforms/run.ts';
import { openTempLake, type TempLake, testClock } from '../../support/tempLake.ts';
import { DAYS, READINGS, readings } from '../sensorModels.ts';
import { depsOf, land, projectOf } from '../support.ts';
import { GRID_MS, landScene, openTestGrid, scenes } from './gridWorld.ts';

/** Releases of models and of the grid side by side: neither loses what the other published. */

const START = Date.UTC(2026, 2, 1, 12);
const SCENES = scenes(11, 4, START);
const project = projectOf([READINGS, DAYS]);
const MODELS = ['gold.days', 'silver.readings'];
const GRID = ['gold.actor_features', 'gold.actor_tiles', 'gold.device_features', 'gold.device_tiles'];

async function violationsOf(lake: TempLake): Promise<string[]> {
  const sink = collectViolations();
  await checkReleases(lake, 0, sink);
  return sink.found.map(({ code, where, what }) => `${code} ${where}: ${what}`);
}

async function tablesOf(lake: TempLake): Promise<string[]> {
  const release = await newestRelease(lake.store);
  return Object.keys(release?.tables ?? {})
    .filter((name) => !name.startsWith('bronze.'))
    .toSorted();
}

function landReading(lake: TempLake, seq: number): Promise<number> {
  return land(lake, 'bronze.readings', readings(`('r${seq}','s','2026-01-01 10:00:00Z',${seq},${seq})`));
}

test('models and the grid carry each other on, and every release is closed', async () => {
  const clock = testClock(START);
  await using lake = await openTempLake(clock);
  for (const [index, scene] of SCENES.entries()) {
    clock.nowMsValue = scene.nowMs;
    await landScene(lake, scene);
    const { run } = await openTestGrid(lake);
    await run();
    expect((await newestRelease(lake.store))?.grid?.closedToMs).toBe(START + index * GRID_MS);
    await landReading(lake, index);
    await runModels(depsOf(lake, project));
    expect(await tablesOf(lake)).toEqual([...MODELS, ...GRID].toSorted());
  }
  // Nothing new on either side: no release.
  const before = await newestRelease(lake.store);
  await (await openTestGrid(lake)).run();
  await runModels(depsOf(lake, project));
  expect((await newestRelease(lake.store))?.number).toBe(before?.number);
  await rollBack({ lake, project }, { model: 'silver.readings', to: 2 });
  expect((await newestRelease(lake.store))?.grid).toEqual(before?.grid);
  expect(await violationsOf(lake)).toEqual([]);
});

test('a run of models beside a step of the grid loses nothing of it', async () => {
  const clock = testClock(START);
  await using lake = await openTempLake(clock);
  clock.nowMsValue = SCENES[0]!.nowMs;
  await landScene(lake, SCENES[0]!);
  await landReading(lake, 1);
  const { run } = await openTestGrid(lake);
  let isFirst = true;
  // The grid publishes while the run of models is about to.
  const crashPoint = (name: string) => {
    if (name === 'before-release' && isFirst) isFirst = false;
  };
  const store = {
    ...lake.store,
    putIfAbsent: async (key: string, body: Uint8Array) => {
      if (key.startsWith('_releases/') && !isFirst) {
        isFirst = true;
        await run();
      }
      return await lake.store.putIfAbsent(key, body);
    },
  };
  await runModels(depsOf({ ...lake, store, crashPoint }, project));
  expect(await tablesOf(lake)).toEqual([...MODELS, ...GRID].toSorted());
  expect(await violationsOf(lake)).toEqual([]);
});

test('verify sees a release whose tables are not where it says', async () => {
  const clock = testClock(START);
  await using lake = await openTempLake(clock);
  for (const scene of SCENES.slice(0, 2)) {
    clock.nowMsValue = scene.nowMs;
    await landScene(lake, scene);
    await (await openTestGrid(lake)).run();
  }
  const release = await newestRelease(lake.store);
  const tables = { ...release!.tables, 'gold.actor_features': release!.tables['gold.actor_features']! - 1 };
  await publishRelease(lake, { ...release!, number: release!.number + 1, run: 'wrong', tables });
  expect(await violationsOf(lake)).toEqual([
    'RELEASE_NOT_CLOSED release 3, gold.actor_features: complete up to 2026-03-01T12:00:00.000Z, the release says 2026-03-01T12:00:10.000Z',
  ]);
});

test('verify sees closings that cannot be', async () => {
  const clock = testClock(START);
  await using lake = await openTempLake(clock);
  for (const scene of SCENES.slice(0, 3)) {
    clock.nowMsValue = scene.nowMs;
    await landScene(lake, scene);
    await (await openTestGrid(lake)).run();
  }
  expect(await violationsOf(lake)).toEqual([]);
  const keys: string[] = [];
  for await (const { key } of lake.store.list('_closings/0')) keys.push(key);
  const [, second = '', third = ''] = keys;
  const now = await lake.store.read(third);
  const table = 'bronze.tx_fintech';
  const shown = JSON.parse(Buffer.from(now!).toString());
  const [partition = ''] = Object.keys(shown.offsets[table]);
  const rewrite = (key: string, closing: object) => lake.store.put(key, Buffer.from(JSON.stringify(closing)));

  await rewrite(third, { ...shown, offsets: { ...shown.offsets, [table]: { [partition]: 1_000 } } });
  expect((await violationsOf(lake)).join()).toMatch(/shown up to 1000, landed up to/);
  await rewrite(third, { ...shown, offsets: {} });
  expect((await violationsOf(lake)).join()).toMatch(/steps back from \d+ to 0/);
  await lake.store.put(third, now!);
  await lake.store.remove(second);
  expect((await violationsOf(lake)).join()).toMatch(/CLOSINGS_BROKEN _closings: .* is missing or damaged/);
});
