import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SqlRow } from '../../../infra/core/duckdb.ts';
import type { Lake } from '../../../lakehouse/lake.ts';
import { newestRelease } from '../../../lakehouse/release.ts';
import { scan } from '../../../lakehouse/scan.ts';
import { openTable } from '../../../lakehouse/table.ts';
import { martSql } from '../../../transforms/goldMarts.ts';
import { createClosingReader } from '../../../transforms/grid/closings.ts';
import { heldFromAppId } from '../../../transforms/grid/martTable.ts';
import { createGridRunner } from '../../../transforms/grid/runGrid.ts';
import { openTempLake, type TempLake, testClock } from '../../support/tempLake.ts';
import { GRID_MS, goldEntry, gridContent, gridHashes, landScene, openTestGrid, scenes } from './gridWorld.ts';

/** What tiles and marts hold does not depend on how they came about. */

const START = Date.UTC(2026, 2, 1, 23, 59, 13);
const SCENES = scenes(7, 13, START);

/** Steps cost little; a machine that does much else makes them slow. */
const HOOK_MS = 120_000;

class Crash extends Error {}

let calm: TempLake;
beforeAll(async () => {
  calm = await play(async (lake) => (await openTestGrid(lake)).run());
}, HOOK_MS);
afterAll(() => calm[Symbol.asyncDispose]());

test('a runner that is killed at any point leaves what an undisturbed one makes', async () => {
  const points = [
    ['before-closing-put', 1],
    ['after-closing-put', 1],
    ['before-data-put', 1],
    ['after-data-put', 2],
    ['before-grid-commit', 1],
    ['before-commit-put', 2],
    ['after-commit-put', 1],
    ['after-grid-commit', 2],
    ['after-grid-commit', 4],
    ['before-grid-release', 1],
    ['before-release-put', 1],
    ['after-release-put', 1],
    ['after-grid-release', 1],
  ] as const;
  const killed: string[] = [];
  await using lake = await play(async (whole, index) => {
    const [point, nth] = points[index] ?? points[0];
    const { deps } = await openTestGrid(whole);
    const died = createGridRunner({ ...deps, lake: dyingAt(whole, point, nth) })();
    await expect(died, point).rejects.toThrow(Crash);
    killed.push(point);
    await createGridRunner(deps)();
    const release = await newestRelease(whole.store);
    expect(release?.grid?.closedToMs).toBe(Math.floor((whole.clock.nowMs() - 2_000) / GRID_MS) * GRID_MS);
  });
  expect(killed).toHaveLength(points.length);
  expect(await gridHashes(lake)).toEqual(await gridHashes(calm));
});

test('two runners at once make what one makes', async () => {
  await using lake = await play(async (whole) => {
    const runners = await Promise.all([openTestGrid(whole), openTestGrid(whole)]);
    await Promise.all(runners.map(({ run }) => run()));
  });
  expect(await gridHashes(lake)).toEqual(await gridHashes(calm));
});

test('at every grid point the newest rows of a mart are what tiles made from bronze in one pass give', async () => {
  await expectOnePass(calm, SCENES.length);
});

test('after grid points that nobody closed marts begin anew, or go on where they were, as one pass would', async () => {
  // The last gap is longer than what marts keep.
  await using lake = await play(async (whole, index) => {
    if ([0, 2, 3, 8].includes(index)) await (await openTestGrid(whole)).run();
  });
  await lake.clock.sleep(3 * 60_000);
  const { run } = await openTestGrid(lake);
  const report = await run();
  expect(report.tables.map(({ action }) => action)).toEqual(['incremental', 'full', 'incremental', 'full']);
  await expectOnePass(lake, SCENES.length + 18);
});

test('a mart says a thing once: no entity has two rows at a grid point', async () => {
  const { deps } = await openTestGrid(calm);
  for (const { martTable } of deps.entities) {
    const mart = await relationOf(calm, martTable);
    const twice = `select entity_id, as_of from ${mart} group by all having count(*) > 1`;
    expect(await rowsOf(calm, twice)).toEqual([]);
  }
});

test('a day begins with every entity, and days before those that are kept go', async () => {
  const { deps } = await openTestGrid(calm);
  const midnight = Date.UTC(2026, 2, 2);
  const [actor] = deps.entities;
  const mart = await relationOf(calm, actor!.martTable);
  const base = await rowsOf(
    calm,
    `select entity_id from ${mart} where epoch_ms(as_of) = ${midnight} and tiles > 0 order by all`,
  );
  const tiles = await relationOf(calm, actor!.tilesTable);
  const points = martSql(actor!, tiles, { at: 'last', toMs: midnight });
  expect(base).toEqual(await rowsOf(calm, `select entity_id from (${points}) order by all`));
  expect(base.length).toBeGreaterThan(2);

  await using later = await openTempLake(testClock(calm.clock.nowMs()));
  await copyFacts(calm, later, ['bronze/', '_closings/', 'gold/', '_releases/']);
  await later.clock.sleep(3 * 60_000);
  await (await openTestGrid(later)).run();
  const days = await rowsOf(
    later,
    `select distinct cast(as_of_date as varchar) as day from ${await relationOf(later, actor!.martTable)}`,
  );
  expect(days).toEqual([{ day: '2026-03-02' }]);
});

test('a new feature has its tiles made anew, with the columns that were there as they were', async () => {
  await using lake = await openTempLake(testClock(calm.clock.nowMs()));
  await copyFacts(calm, lake, ['bronze/', '_closings/', 'gold/', '_releases/']);
  const more = goldEntry('max_60s', {
    entity: 'actor',
    aggregation: 'max',
    of: 'amount_base_minor',
    window: '60s',
  });
  const { run, deps } = await openTestGrid(lake, { content: gridContent([more]) });
  const before = await relationOf(lake, 'gold.actor_tiles');
  const columns = 'entity_id, hour, visible_from, n, amount_base_minor_sum, visible_date';
  const old = await rowsOf(lake, `select ${columns} from ${before} order by all`);
  const report = await run();
  expect(report.tables.map(({ model, action }) => `${model} ${action}`)).toEqual([
    'gold.actor_tiles full',
    'gold.actor_features full',
    'gold.device_tiles up to date',
    'gold.device_features up to date',
  ]);
  const tiles = await relationOf(lake, 'gold.actor_tiles');
  expect(await rowsOf(lake, `select ${columns} from ${tiles} order by all`)).toEqual(old);
  expect(await rowsOf(lake, `select count(amount_base_minor_max)::int as n from ${tiles}`)).toEqual([
    { n: old.length },
  ]);
  const table = await openTable(lake, deps.entities[0]!.martTable);
  expect((await table?.snapshot())?.schema.map(({ name }) => name)).toContain('max_60s');
});

// === Helpers ===

/** From where the marts begin on, look-ups at every grid point find what tiles say that another lake makes in one pass. */
async function expectOnePass(lake: TempLake, grids: number): Promise<void> {
  await using whole = await openTempLake(lake.clock);
  await copyFacts(lake, whole);
  const { deps, run } = await openTestGrid(whole);
  await run();
  const closings = await createClosingReader(lake.store)(Number.POSITIVE_INFINITY);
  expect(closings).toHaveLength(grids);
  for (const entity of deps.entities) {
    const snapshot = await (await openTable(lake, entity.martTable))?.snapshot();
    const fromMs = snapshot?.txns.get(heldFromAppId(entity.martTable)) ?? Number.NaN;
    const mart = await relationOf(lake, entity.martTable);
    const tiles = await relationOf(whole, entity.tilesTable);
    for (const { atMs } of closings.filter((closing) => closing.atMs >= fromMs)) {
      const found = await rowsOf(
        lake,
        `select * exclude (as_of, as_of_date) from ${mart} where epoch_ms(as_of) <= ${atMs}
         qualify row_number() over (partition by entity_id order by as_of desc) = 1 and tiles > 0 order by all`,
      );
      const base = martSql(entity, tiles, { at: 'last', toMs: atMs });
      const wanted = await rowsOf(whole, `select * exclude (as_of) from (${base}) order by all`);
      expect(found, new Date(atMs).toISOString()).toEqual(wanted);
    }
    expect(await gridHashes(whole)).toHaveProperty(
      [entity.tilesTable],
      (await gridHashes(lake))[entity.tilesTable],
    );
    expect((await rowsOf(lake, `select count(*)::int as n from ${mart}`))[0]?.['n']).toBeGreaterThan(3);
  }
}

/** A lake that dies when a point is passed for the n-th time. */
function dyingAt(lake: Lake, point: string, nth: number): Lake {
  let left = nth;
  return {
    ...lake,
    crashPoint: (name) => {
      if (name !== point) return;
      left -= 1;
      if (left === 0) throw new Crash(point);
    },
  };
}

/** Lands scene after scene, each followed by a step. */
async function play(step: (lake: TempLake, index: number) => Promise<unknown>): Promise<TempLake> {
  const clock = testClock(START);
  const lake = await openTempLake(clock);
  for (const [index, scene] of SCENES.entries()) {
    clock.nowMsValue = scene.nowMs;
    await landScene(lake, scene);
    await step(lake, index);
  }
  return lake;
}

/** Parts of a lake in another one. */
async function copyFacts(from: Lake, to: Lake, prefixes = ['bronze/', '_closings/']): Promise<void> {
  for (const prefix of prefixes) {
    for await (const { key } of from.store.list(prefix)) {
      const body = await from.store.read(key);
      if (body !== undefined) await to.store.put(key, body);
    }
  }
}

async function relationOf(lake: Lake, name: string): Promise<string> {
  const table = await openTable(lake, name);
  if (table === undefined) throw new Error(`there is no ${name}`);
  // Files of a lake on the local disk stay where they are.
  await using rows = await scan(lake, await table.snapshot());
  return rows.sql;
}

async function rowsOf(lake: Lake, sql: string): Promise<SqlRow[]> {
  await using session = await lake.duckdb.connect();
  return await session.rows(sql);
}
