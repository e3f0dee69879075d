import { expect, test } from 'vitest';
import { newestRelease } from '../../lakehouse/release.ts';
import { checkReleases } from '../../observability/releaseClosure.ts';
import { collectViolations } from '../../observability/violations.ts';
import { rollBack, unpin } from '../../transforms/rollback.ts';
import { runModels } from '../../transforms/run.ts';
import { openTempLake, type TempLake } from '../support/tempLake.ts';
import { DAYS, READINGS, readings } from './sensorModels.ts';
import { Crash, crashingAt, depsOf, land, modelReport, projectOf, rowsOf } from './support.ts';

/** What one release says, when models do not all go on together. */

const project = projectOf([READINGS, DAYS]);

/** Reads its model through no table of its own. */
const VIEW = `
-- name: silver.values
-- description: The values.
-- grain: id
-- owner: test
-- kind: view
select id, value from ref('silver.readings')`;

function landReading(lake: TempLake, seq: number, value = seq): Promise<number> {
  return land(lake, 'bronze.readings', readings(`('r${seq}','s','2026-01-01 10:00:00Z',${value},${seq})`));
}

async function releaseOf(lake: TempLake) {
  const release = await newestRelease(lake.store);
  if (release === undefined) throw new Error('there is no release');
  return release;
}

/** What `verify` says about the releases. */
async function violationsOf(lake: TempLake): Promise<string[]> {
  const sink = collectViolations();
  await checkReleases(lake, 0, sink);
  return sink.found.map(({ code, where, what }) => `${code} ${where}: ${what}`);
}

test('what reads a held model is held too, also when the selection leaves it out', async () => {
  await using lake = await openTempLake();
  await landReading(lake, 1);
  await runModels(depsOf(lake, project));
  const first = await releaseOf(lake);
  await landReading(lake, 2);
  await expect(runModels(depsOf(crashingAt(lake, 'before-release'), project))).rejects.toThrow(Crash);

  // Both models stand beyond the release. The first fails now, so the second must stay with it.
  const broken = READINGS.replace('value, seq', 'cast(id as integer) as value, seq');
  const report = await runModels(depsOf(lake, projectOf([broken, DAYS])), { select: ['silver.readings'] });
  expect(modelReport(report, 'silver.readings').action).toBe('failed');
  expect((await releaseOf(lake)).tables).toMatchObject({
    'silver.readings': first.tables['silver.readings'],
    'gold.days': first.tables['gold.days'],
  });
});

test('a selection beside a full run publishes no model that is ahead of its sources', async () => {
  await using lake = await openTempLake();
  await landReading(lake, 1);
  await runModels(depsOf(lake, project));
  await landReading(lake, 2);
  let isFirst = true;
  // While the selected run is at work, more lands and another run commits both models and dies.
  const store = {
    ...lake.store,
    putIfAbsent: async (key: string, body: Uint8Array) => {
      const result = await lake.store.putIfAbsent(key, body);
      if (isFirst && key.startsWith('silver/readings/_delta_log/')) {
        isFirst = false;
        await landReading(lake, 3);
        await expect(runModels(depsOf(crashingAt(lake, 'before-release'), project))).rejects.toThrow(Crash);
      }
      return result;
    },
  };
  await runModels(depsOf({ ...lake, store }, project), { select: ['silver.readings'] });
  expect(isFirst).toBe(false);
  expect(await violationsOf(lake)).toEqual([]);
});

test('a rollback to before a descendant was there takes the descendant out of the release', async () => {
  await using lake = await openTempLake();
  await landReading(lake, 1);
  await runModels(depsOf(lake, projectOf([READINGS])));
  await landReading(lake, 2);
  await runModels(depsOf(lake, project));
  await rollBack({ lake, project }, { model: 'silver.readings', to: 1 });
  expect((await releaseOf(lake)).tables).not.toHaveProperty(['gold.days']);
  await runModels(depsOf(lake, project));
  expect((await releaseOf(lake)).tables).not.toHaveProperty(['gold.days']);
  expect(await violationsOf(lake)).toEqual([]);

  await unpin({ lake, project }, { model: 'silver.readings' });
  await runModels(depsOf(lake, project));
  expect((await releaseOf(lake)).tables).toHaveProperty(['gold.days']);
  expect(await rowsOf(lake, 'gold.days')).toHaveLength(2);
});

test('an unpinned model is stale until the next run', async () => {
  await using lake = await openTempLake();
  await landReading(lake, 1);
  await runModels(depsOf(lake, project));
  await landReading(lake, 2);
  await runModels(depsOf(lake, project));
  await rollBack({ lake, project }, { model: 'silver.readings', to: 1 });
  await unpin({ lake, project }, { model: 'silver.readings' });
  expect(Object.keys((await releaseOf(lake)).staleSince)).toEqual(['silver.readings', 'gold.days']);
  expect(await violationsOf(lake)).toEqual([]);
  await runModels(depsOf(lake, project));
  expect((await releaseOf(lake)).staleSince).toEqual({});
});

test('a view of a held model keeps its SQL, and of a rolled back one gets that of its release', async () => {
  await using lake = await openTempLake();
  await landReading(lake, 1);
  await runModels(depsOf(lake, projectOf([READINGS, VIEW])));
  const { views } = await releaseOf(lake);

  const wider = READINGS.replace('value, seq', 'value, seq, 1 as unit');
  const broken = wider.replace('value, seq', 'cast(id as integer) as value, seq');
  const viewOfWider = VIEW.replace('id, value', 'id, value, unit');
  await runModels(depsOf(lake, projectOf([broken, viewOfWider])));
  expect((await releaseOf(lake)).views).toEqual(views);

  const widened = projectOf([wider, viewOfWider]);
  await runModels(depsOf(lake, widened));
  expect((await releaseOf(lake)).views).not.toEqual(views);
  await rollBack({ lake, project: widened }, { model: 'silver.readings', to: 1 });
  expect((await releaseOf(lake)).views).toEqual(views);
  await runModels(depsOf(lake, widened));
  expect((await releaseOf(lake)).views).toEqual(views);
});

test('a table whose first run died before its commit is neither released nor read', async () => {
  await using lake = await openTempLake();
  await landReading(lake, 1);
  await expect(runModels(depsOf(crashingAt(lake, 'before-model-commit'), project))).rejects.toThrow(Crash);
  const report = await runModels(depsOf(lake, project), { select: ['gold.days'] });
  expect(modelReport(report, 'gold.days').action).toBe('waiting');
  expect(await newestRelease(lake.store).then((r) => Object.keys(r?.tables ?? {}))).toEqual([
    'bronze.readings',
  ]);
});
