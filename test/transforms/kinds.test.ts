import { expect, test } from 'vitest';
import { writeCheckpoint } from '../../lakehouse/checkpoint.ts';
import { commitKey } from '../../lakehouse/logPath.ts';
import { newestRelease } from '../../lakehouse/release.ts';
import { openTable } from '../../lakehouse/table.ts';
import { runModels } from '../../transforms/run.ts';
import { openTempLake, type TempLake } from '../support/tempLake.ts';
import { DAYS, READINGS, REMARKS, readings, remarks, SENSOR_PROJECT, SENSORS, TOP } from './sensorModels.ts';
import { depsOf, hashOf, land, modelReport, projectOf, rowsOf, seedOf, watchFiles } from './support.ts';

test('first: the first row of a key by its order stays, whichever run brings it', async () => {
  await using lake = await openTempLake();
  const deps = depsOf(lake, projectOf([READINGS]));
  await land(
    lake,
    'bronze.readings',
    readings(`('a','s1','2026-01-01 10:00:00Z',1,10),('b','s1','2026-01-02 10:00:00Z',2,11)`),
  );
  expect((await runModels(deps)).outcome).toBe('published');
  await land(
    lake,
    'bronze.readings',
    readings(`('a','s1','2026-01-03 10:00:00Z',9,12),('b','s2','2026-01-03 11:00:00Z',7,5)`),
  );
  const report = await runModels(deps);
  expect(report.summary.models[0]).toMatchObject({
    action: 'incremental',
    rows_written: 1,
    files_removed: 1,
  });
  expect(await rowsOf(lake, 'silver.readings', { columns: 'id, sensor, value, day' })).toEqual([
    { id: 'a', sensor: 's1', value: 1, day: '2026-01-01' },
    { id: 'b', sensor: 's2', value: 7, day: '2026-01-03' },
  ]);
});

test('key: touched keys are computed again, by any of the sources; equal rows are not written', async () => {
  await using lake = await openTempLake();
  const deps = depsOf(lake, projectOf([READINGS, REMARKS, SENSORS]));
  await land(lake, 'bronze.remarks', remarks(`('x','fine')`));
  await land(
    lake,
    'bronze.readings',
    readings(`('a','s1','2026-01-01 10:00:00Z',1,1),('b','s2','2026-01-01 10:00:00Z',2,2)`),
  );
  await runModels(deps);
  await land(
    lake,
    'bronze.readings',
    readings(`('c','s1','2026-01-01 11:00:00Z',5,3),('b','s2','2026-01-01 10:00:00Z',2,4)`),
  );
  expect(modelReport(await runModels(deps), 'gold.sensors')).toMatchObject({
    action: 'incremental',
    rows_written: 1,
  });
  await land(lake, 'bronze.remarks', remarks(`('b','void')`));
  const late = await runModels(deps);
  expect(modelReport(late, 'silver.readings').action).toBe('up to date');
  expect(modelReport(late, 'gold.sensors')).toMatchObject({ action: 'incremental', rows_written: 1 });
  expect(await rowsOf(lake, 'gold.sensors')).toEqual([
    { sensor: 's1', n: '2', total: '6' },
    { sensor: 's2', n: '1', total: '0' },
  ]);
});

test('key: a key that has no rows any more goes', async () => {
  await using lake = await openTempLake();
  const deps = depsOf(lake, projectOf([READINGS, REMARKS, SENSORS]));
  await land(lake, 'bronze.remarks', remarks(`('x','fine')`));
  await land(lake, 'bronze.readings', readings(`('a','wrong','2026-01-01 10:00:00Z',1,9)`));
  await runModels(deps);
  await land(lake, 'bronze.readings', readings(`('a','right','2026-01-01 10:00:00Z',1,3)`));
  await runModels(deps);
  expect(await rowsOf(lake, 'gold.sensors', { columns: 'sensor' })).toEqual([{ sensor: 'right' }]);
});

test('partition: touched partitions are replaced, the files of others are neither read nor written', async () => {
  await using real = await openTempLake();
  const { lake, opened } = watchFiles(real);
  const deps = depsOf(lake, projectOf([READINGS, DAYS]));
  await land(
    lake,
    'bronze.readings',
    readings(`('a','s','2026-01-01 10:00:00Z',5,1),('b','s','2026-01-02 10:00:00Z',6,2)`),
  );
  await runModels(deps);
  const before = (await (await openTable(lake, 'gold.days'))!.snapshot()).files;
  await land(lake, 'bronze.readings', readings(`('c','s','2026-01-02 11:00:00Z',1,3)`));
  opened.length = 0;
  const report = await runModels(deps);
  expect(modelReport(report, 'gold.days')).toMatchObject({
    action: 'incremental',
    rows_written: 2,
    files_removed: 1,
  });
  expect(await rowsOf(lake, 'gold.days', { columns: 'id, place' })).toEqual([
    { id: 'a', place: '1' },
    { id: 'b', place: '2' },
    { id: 'c', place: '1' },
  ]);
  const after = (await (await openTable(lake, 'gold.days'))!.snapshot()).files;
  expect([...after.keys()].filter((path) => before.has(path)).map((path) => path.slice(0, 14))).toEqual([
    'day=2026-01-01',
  ]);
  expect(opened.filter((key) => key.startsWith('gold/days/day=2026-01-01'))).toHaveLength(1); // by rowsOf, not by the run
});

test('append: only the files that the driving source gained are opened', async () => {
  await using real = await openTempLake();
  const { lake, opened } = watchFiles(real);
  const deps = depsOf(lake, projectOf([REMARKS]));
  for (const id of ['a', 'b', 'c']) await land(lake, 'bronze.remarks', remarks(`('${id}','x')`));
  await runModels(deps);
  expect(opened.filter((key) => key.startsWith('bronze/remarks'))).toHaveLength(3);
  opened.length = 0;
  await land(lake, 'bronze.remarks', remarks(`('d','x')`));
  expect(modelReport(await runModels(deps), 'silver.remarks')).toMatchObject({ rows_in: 1, rows_written: 1 });
  expect(opened.filter((key) => key.startsWith('bronze/') || key.startsWith('silver/'))).toHaveLength(1);
  expect(await rowsOf(lake, 'silver.remarks')).toHaveLength(4);
});

test('first: of the source only the files that it gained are opened', async () => {
  await using real = await openTempLake();
  const { lake, opened } = watchFiles(real);
  const deps = depsOf(lake, projectOf([READINGS]));
  await land(lake, 'bronze.readings', readings(`('a','s','2026-01-01 10:00:00Z',5,1)`));
  await land(lake, 'bronze.readings', readings(`('b','s','2026-01-01 10:00:00Z',5,2)`));
  await runModels(deps);
  opened.length = 0;
  await land(lake, 'bronze.readings', readings(`('c','s','2026-01-01 10:00:00Z',5,3)`));
  await runModels(deps);
  expect(opened.filter((key) => key.startsWith('bronze/'))).toHaveLength(1);
});

test('table: computed whole when a source changed, not written when the rows are the same', async () => {
  await using lake = await openTempLake();
  const deps = depsOf(lake, projectOf(SENSOR_PROJECT));
  await land(lake, 'bronze.remarks', remarks(`('x','fine')`));
  await land(
    lake,
    'bronze.readings',
    readings(`('a','s1','2026-01-01 10:00:00Z',9,1),('b','s2','2026-01-01 10:00:00Z',2,2)`),
  );
  await runModels(deps);
  await land(lake, 'bronze.readings', readings(`('c','s2','2026-01-01 11:00:00Z',1,3)`));
  expect(modelReport(await runModels(deps), 'gold.top')).toMatchObject({ action: 'full', files_added: 0 });
  await land(lake, 'bronze.readings', readings(`('d','s2','2026-01-01 11:00:00Z',10,4)`));
  await runModels(deps);
  expect(await rowsOf(lake, 'gold.top')).toEqual([{ sensor: 's2', total: '13' }]);
});

test('view: its SQL is in the release over the names that readers use, and models read through it', async () => {
  await using lake = await openTempLake();
  const view = READINGS.replace(/kind: .*\n-- partitioned by: day/, 'kind: view').replace(
    'silver.readings',
    'silver.view',
  );
  const model = TOP.replace(/select [\s\S]*/, `select id from ref('silver.view') where value > 1`);
  await land(
    lake,
    'bronze.readings',
    readings(`('a','s','2026-01-01 10:00:00Z',1,1),('b','s','2026-01-01 10:00:00Z',2,2)`),
  );
  await runModels(depsOf(lake, projectOf([view, model])));
  const release = await newestRelease(lake.store);
  expect(release?.views['silver.view']).toContain('from "bronze"."readings"');
  expect(release?.tables).not.toHaveProperty('silver.view');
  expect(await rowsOf(lake, 'gold.top')).toEqual([{ id: 'b' }]);
});

test('a changed definition is computed whole, with its new columns; what reads it only where rows changed', async () => {
  await using lake = await openTempLake();
  await land(lake, 'bronze.remarks', remarks(`('x','fine')`));
  await land(
    lake,
    'bronze.readings',
    readings(`('a','s1','2026-01-01 10:00:00Z',9,1),('b','s2','2026-01-01 10:00:00Z',-1,2)`),
  );
  await runModels(depsOf(lake, projectOf(SENSOR_PROJECT)));
  const changed = READINGS.replace('value, seq', 'greatest(value, 0) as value, seq, 1 as one');
  const report = await runModels(depsOf(lake, projectOf([changed, ...SENSOR_PROJECT.slice(1)])));
  expect(modelReport(report, 'silver.readings').action).toBe('full');
  expect(modelReport(report, 'gold.sensors')).toMatchObject({ action: 'incremental', rows_written: 1 });
  expect(await rowsOf(lake, 'silver.readings', { columns: 'id, value, one' })).toEqual([
    { id: 'a', value: 9, one: 1 },
    { id: 'b', value: 0, one: 1 },
  ]);
});

test('a definition that comes back finds rows of another one, and is computed whole', async () => {
  await using lake = await openTempLake();
  const other = READINGS.replace('value, seq', 'value * 2 as value, seq');
  await land(lake, 'bronze.readings', readings(`('a','s','2026-01-01 10:00:00Z',1,1)`));
  await runModels(depsOf(lake, projectOf([READINGS])));
  await runModels(depsOf(lake, projectOf([other])));
  await land(lake, 'bronze.readings', readings(`('b','s','2026-01-01 10:00:00Z',5,2)`));
  const report = await runModels(depsOf(lake, projectOf([READINGS])));
  expect(modelReport(report, 'silver.readings').action).toBe('full');
  expect(await rowsOf(lake, 'silver.readings', { columns: 'id, value' })).toEqual([
    { id: 'a', value: 1 },
    { id: 'b', value: 5 },
  ]);
});

test('a changed seed is a changed definition', async () => {
  await using lake = await openTempLake();
  const model = TOP.replace(
    /select [\s\S]*/,
    `select sensor, cast(total as integer) as total from seed('limits')`,
  );
  const run = (csv: string) =>
    runModels(depsOf(lake, projectOf([model], { seeds: [seedOf(lake, 'limits', csv)] })));
  await run('sensor,total\ns1,007\n');
  expect((await run('sensor,total\ns1,007\n')).outcome).toBe('unchanged');
  expect((await run('sensor,total\ns1,8\n')).outcome).toBe('published');
  expect(await rowsOf(lake, 'gold.top')).toEqual([{ sensor: 's1', total: 8 }]);
});

test('nothing new: no commit and no release', async () => {
  await using lake = await openTempLake();
  const deps = depsOf(lake, projectOf(SENSOR_PROJECT));
  await land(lake, 'bronze.remarks', remarks(`('x','fine')`));
  await land(lake, 'bronze.readings', readings(`('a','s1','2026-01-01 10:00:00Z',1,1)`));
  await runModels(deps);
  const before = await hashOf(lake, 'gold.sensors');
  expect(await runModels(deps)).toMatchObject({ outcome: 'unchanged', release: 1 });
  expect((await newestRelease(lake.store))?.number).toBe(1);
  expect(await hashOf(lake, 'gold.sensors')).toBe(before);
});

test.each([
  ['is read as what it is now', false],
  ['is read whole when the log has forgotten what it was', true],
])('a column that becomes another type upstream %s', async (_, isForgotten) => {
  await using lake = await openTempLake();
  const texts = READINGS.replace('value, seq', `'about ' || value as value, seq`);
  const model = `-- name: gold.sums\n-- description: d\n-- grain: sensor\n-- owner: test\n-- kind: key(sensor)
-- touched by silver.readings: select sensor from changed
select sensor, max(seq) as total from ref('silver.readings') where touched(sensor) group by sensor`;
  await land(lake, 'bronze.readings', readings(`('a','s','2026-01-01 10:00:00Z',1,1)`));
  await runModels(depsOf(lake, projectOf([texts, model])));
  await land(lake, 'bronze.readings', readings(`('b','s','2026-01-01 10:00:00Z',5,2)`));
  const deps = depsOf(lake, projectOf([READINGS, model]));
  await runModels(deps, { select: ['silver.readings'] });
  if (isForgotten) await forgetOldVersions(lake, 'silver.readings');
  const report = await runModels(deps);
  expect(modelReport(report, 'gold.sums')).toMatchObject({ action: 'full', error: null });
  expect(await rowsOf(lake, 'gold.sums')).toEqual([{ sensor: 's', total: '2' }]);
});

/** The newest version becomes a checkpoint, and the commits before it go. */
async function forgetOldVersions(lake: TempLake, name: string): Promise<void> {
  const snapshot = await (await openTable(lake, name))!.snapshot();
  await writeCheckpoint(lake, snapshot);
  for (let version = 0; version < snapshot.version; version += 1) {
    await lake.store.remove(commitKey(snapshot.path, version));
  }
}
