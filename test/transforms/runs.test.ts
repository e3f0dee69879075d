import { describe, expect, test } from 'vitest';
import type { Lake } from '../../lakehouse/lake.ts';
import { optimizeTable } from '../../lakehouse/optimize.ts';
import { newestRelease, readRelease } from '../../lakehouse/release.ts';
import { openTable } from '../../lakehouse/table.ts';
import { checkReleases } from '../../observability/releaseClosure.ts';
import { collectViolations } from '../../observability/violations.ts';
import { listReleases, rollBack, unpin } from '../../transforms/rollback.ts';
import { planRun, runModels } from '../../transforms/run.ts';
import { RUNS_TABLE } from '../../transforms/runsTable.ts';
import { openTempLake, type TempLake } from '../support/tempLake.ts';
import { readings, remarks, SENSOR_PROJECT } from './sensorModels.ts';
import { Crash, crashingAt, depsOf, hashOf, land, modelReport, projectOf, rowsOf } from './support.ts';

const MODELS = ['silver.readings', 'silver.remarks', 'gold.sensors', 'gold.days', 'gold.top'];
const project = projectOf(SENSOR_PROJECT);

async function landSome(lake: Lake, round: number): Promise<void> {
  const day = `2026-01-0${(round % 3) + 1} 10:00:00Z`;
  await land(lake, 'bronze.remarks', remarks(`('r${round - 1}','${round % 2 === 0 ? 'void' : 'fine'}')`));
  await land(
    lake,
    'bronze.readings',
    readings(`('r${round}','s${round % 2}','${day}',${round},${round}),('same','s','${day}',1,${round})`),
  );
}

/** The content of every model. */
function hashes(lake: Lake): Promise<string[]> {
  return Promise.all(MODELS.map((model) => hashOf(lake, model)));
}

const inOneRun = new Map<number, Promise<string[]>>();

/** What the same sources give in one run in a lake of their own. */
function hashesOfOneRun(rounds: number): Promise<string[]> {
  const known = inOneRun.get(rounds) ?? computeInOneRun(rounds);
  inOneRun.set(rounds, known);
  return known;
}

async function computeInOneRun(rounds: number): Promise<string[]> {
  await using lake = await openTempLake();
  for (let round = 1; round <= rounds; round += 1) await landSome(lake, round);
  await runModels(depsOf(lake, project));
  return await hashes(lake);
}

/** No release has a model that lacks rows of the source versions beside it, as `verify` checks it. */
async function expectClosed(lake: Lake): Promise<void> {
  const sink = collectViolations();
  const { checked } = await checkReleases(lake, 0, sink);
  expect(checked).toBeGreaterThan(0);
  expect(sink.found).toEqual([]);
}

describe('crashes', () => {
  test.each([
    ['before-model-commit', 1],
    ['after-model-commit', 1],
    ['after-model-commit', 3],
    ['after-data-put', 2],
    ['after-commit-put', 4],
    ['before-release', 1],
    ['after-release', 1],
    ['after-release-put', 1],
  ])('at %s (%i): the next run publishes the same as one run, even without new data', async (point, nth) => {
    await using lake = await openTempLake();
    await landSome(lake, 1);
    await runModels(depsOf(lake, project));
    await landSome(lake, 2);
    await expect(runModels(depsOf(crashingAt(lake, point, nth), project))).rejects.toThrow(Crash);
    await runModels(depsOf(lake, project));
    expect(await hashes(lake)).toEqual(await hashesOfOneRun(2));
    await expectClosed(lake);
    expect((await newestRelease(lake.store))?.number).toBe(2);
  });

  test('each release is in ops.runs once, also one whose run died before it could be noted', async () => {
    await using lake = await openTempLake();
    await landSome(lake, 1);
    await expect(runModels(depsOf(crashingAt(lake, 'after-release', 1), project))).rejects.toThrow(Crash);
    await landSome(lake, 2);
    await runModels(depsOf(lake, project));
    await runModels(depsOf(lake, project));
    const rows = await rowsOf(lake, RUNS_TABLE, {
      columns: 'release, model, rows_written, len(inputs) as inputs',
    });
    const published = rows.filter((row) => row['release'] !== null);
    expect(published.map((row) => `${row['release']} ${row['model']}`).toSorted()).toEqual(
      ['1', '2'].flatMap((release) => MODELS.map((model) => `${release} ${model}`)).toSorted(),
    );
    expect(published).toContainEqual({ release: '2', model: 'gold.sensors', rows_written: '2', inputs: '2' });
    expect(await rowsOf(lake, RUNS_TABLE, { columns: 'outcome, error' })).toContainEqual({
      outcome: 'failed',
      error: 'INTERNAL: after-release',
    });
  });
});

test('two runners at once publish one line of closed releases, and nothing twice', async () => {
  await using lake = await openTempLake();
  const run = () => runModels(depsOf(lake, project));
  for (let round = 1; round <= 4; round += 1) {
    await landSome(lake, round);
    await Promise.all([run(), run()]);
    await expectClosed(lake);
  }
  expect(await hashes(lake)).toEqual(await hashesOfOneRun(4));
  const newest = (await newestRelease(lake.store))!;
  for (let number = newest.number; number > 1; number -= 1) {
    expect((await readRelease(lake.store, number))?.parent).toBe(number - 1);
  }
});

describe('a runner that is beaten to its release', () => {
  /** A lake in which somebody else always publishes just before, with this change. */
  function beaten(lake: TempLake, change: object): Lake {
    const putIfAbsent: Lake['store']['putIfAbsent'] = async (key, body) => {
      if (key.startsWith('_releases/')) {
        const theirs = { ...JSON.parse(new TextDecoder().decode(body)), run: 'another', ...change };
        await lake.store.putIfAbsent(key, new TextEncoder().encode(JSON.stringify(theirs)));
      }
      return lake.store.putIfAbsent(key, body);
    };
    return { ...lake, store: { ...lake.store, putIfAbsent } };
  }

  test('plans again, and has nothing to add when the other published the same', async () => {
    await using lake = await openTempLake();
    await landSome(lake, 1);
    expect((await runModels(depsOf(beaten(lake, {}), project))).outcome).toBe('unchanged');
    expect(await newestRelease(lake.store)).toMatchObject({ number: 1, run: 'another' });
  });

  test('gives up after some tries and says so', async () => {
    await using lake = await openTempLake();
    await landSome(lake, 1);
    const run = runModels(depsOf(beaten(lake, { tables: {} }), project));
    await expect(run).rejects.toThrow('another runner committed first in each of 8 tries');
    await runModels(depsOf(lake, project));
    expect(await hashes(lake)).toEqual(await hashesOfOneRun(1));
    expect((await newestRelease(lake.store))?.number).toBe(9);
  });
});

test('rows that compaction re-arranged are not new, and those that it moved before they were read are read once', async () => {
  await using lake = await openTempLake();
  await landSome(lake, 1);
  await runModels(depsOf(lake, project));
  await landSome(lake, 2);
  for (const name of ['bronze.readings', 'bronze.remarks', 'silver.readings']) {
    await optimizeTable(lake, (await openTable(lake, name))!, { minFiles: 1, minAgeMs: -1 });
  }
  await runModels(depsOf(lake, project));
  expect(await hashes(lake)).toEqual(await hashesOfOneRun(2));
  await optimizeTable(lake, (await openTable(lake, 'bronze.readings'))!, { minFiles: 1, minAgeMs: -1 });
  const report = await runModels(depsOf(lake, project));
  expect(new Set(report.summary.models.map((m) => m.action))).toEqual(new Set(['up to date']));
});

test('a source whose log no longer reaches back makes its models whole', async () => {
  await using lake = await openTempLake();
  const deps = depsOf(lake, projectOf([SENSOR_PROJECT[1]!]));
  await land(lake, 'bronze.remarks', remarks(`('a','fine')`));
  await runModels(deps);
  for (let n = 0; n < 10; n += 1) await land(lake, 'bronze.remarks', remarks(`('${n}','fine')`));
  for (const version of [2, 3])
    await lake.store.remove(`bronze/remarks/_delta_log/0000000000000000000${version}.json`);
  expect(modelReport(await runModels(deps), 'silver.remarks')).toMatchObject({
    action: 'full',
    why: 'history is gone: bronze.remarks',
  });
  expect(await rowsOf(lake, 'silver.remarks')).toHaveLength(11);
});

describe('pins', () => {
  test('a rolled back model and what reads it stay where they are until unpinned, then catch up', async () => {
    await using lake = await openTempLake();
    const deps = depsOf(lake, project);
    await landSome(lake, 1);
    await runModels(deps);
    await landSome(lake, 2);
    await runModels(deps);
    const [one, two] = [await readRelease(lake.store, 1), await readRelease(lake.store, 2)];
    const names = ['gold.sensors', 'gold.top'];
    const pins = Object.fromEntries(names.map((name) => [name, one!.tables[name]!]));
    await rollBack({ lake, project }, { model: 'gold.sensors', to: 1 });

    await landSome(lake, 3);
    const report = await runModels(deps);
    expect(names.map((name) => modelReport(report, name).action)).toEqual(['pinned', 'pinned']);
    const pinned = (await newestRelease(lake.store))!;
    expect(pinned).toMatchObject({ number: 4, pins, staleSince: {} });
    expect(pinned.tables).toMatchObject(pins);
    expect(pinned.tables['gold.days']).toBeGreaterThan(two!.tables['gold.days']!);

    await unpin({ lake, project }, { model: 'gold.sensors' });
    await runModels(deps);
    expect(await hashes(lake)).toEqual(await hashesOfOneRun(3));
    await expectClosed(lake);
  });
});

test('a rollback names a release and a model that are there', async () => {
  await using lake = await openTempLake();
  await landSome(lake, 1);
  await runModels(depsOf(lake, project));
  const deps = { lake, project };
  await expect(rollBack(deps, { model: 'gold.sensors', to: 7 })).rejects.toMatchObject({
    code: 'LAKE_RELEASE_UNKNOWN',
  });
  await expect(rollBack(deps, { model: 'gold.nothing', to: 1 })).rejects.toMatchObject({
    code: 'MODEL_UNKNOWN',
  });
  expect((await listReleases(lake, 5)).map(({ number }) => number)).toEqual([1]);
});

describe('a selection', () => {
  test('runs what it names; what is left behind is marked stale until it is run', async () => {
    await using lake = await openTempLake();
    const deps = depsOf(lake, project);
    await landSome(lake, 1);
    await runModels(deps);
    await landSome(lake, 2);
    const report = await runModels(deps, { select: ['silver.readings'] });
    expect(report.outcome).toBe('published');
    expect(modelReport(report, 'gold.sensors').action).toBe('not selected');
    expect(Object.keys((await newestRelease(lake.store))!.staleSince).toSorted()).toEqual([
      'gold.days',
      'gold.sensors',
      'silver.remarks',
    ]);
    await runModels(deps);
    expect((await newestRelease(lake.store))!.staleSince).toEqual({});
    expect(await hashes(lake)).toEqual(await hashesOfOneRun(2));
  });

  test('a plan says what would run and why, and changes nothing', async () => {
    await using lake = await openTempLake();
    const deps = depsOf(lake, project);
    await landSome(lake, 1);
    await runModels(deps);
    await land(lake, 'bronze.remarks', remarks(`('r1','void')`));
    const plan = await planRun(deps);
    expect(Object.fromEntries(plan.map((m) => [m.model, m.action]))).toEqual({
      'silver.readings': 'up to date',
      'silver.remarks': 'incremental',
      'gold.sensors': 'incremental',
      'gold.days': 'up to date',
      'gold.top': 'full',
    });
    expect((await newestRelease(lake.store))!.number).toBe(1);
  });
});

test('a model waits for a source that is not there yet, and others do not wait for it', async () => {
  await using lake = await openTempLake();
  const deps = depsOf(lake, project);
  await land(lake, 'bronze.readings', readings(`('a','s1','2026-01-01 10:00:00Z',1,1)`));
  const report = await runModels(deps);
  expect(modelReport(report, 'gold.days').action).toBe('full');
  expect(modelReport(report, 'silver.remarks')).toMatchObject({
    action: 'waiting',
    why: 'no table yet: bronze.remarks',
  });
  expect(modelReport(report, 'gold.sensors').action).toBe('held');
  await land(lake, 'bronze.remarks', remarks(`('a','fine')`));
  await runModels(deps);
  expect((await newestRelease(lake.store))!.staleSince).toEqual({});
});
