import { expect, test } from 'vitest';
import { newestRelease } from '../../lakehouse/release.ts';
import { runModels } from '../../transforms/run.ts';
import { openTempLake } from '../support/tempLake.ts';
import { depsOf, hashOf, land, projectOf, rowsOf } from './support.ts';

const readings = (values: string) =>
  `select * from (values ${values}) as t(id, sensor, ts, value, seq)`.replace(
    'select *',
    'select id, sensor, cast(ts as timestamptz) as ts, cast(value as integer) as value, cast(seq as bigint) as seq',
  );

const FIRST = `
-- name: silver.readings
-- description: Each reading once.
-- grain: id
-- owner: test
-- kind: first(id) by (seq)
-- partitioned by: day
select id, sensor, ts, cast(ts as date) as day, value, seq from source('bronze.readings')`;

const BY_KEY = `
-- name: gold.sensors
-- description: Totals of a sensor.
-- grain: sensor
-- owner: test
-- kind: key(sensor)
-- touched by silver.readings: select sensor from changed
select sensor, count(*) as n, cast(sum(value) as bigint) as total
from ref('silver.readings') where touched(sensor) group by sensor`;

test('first: the first row of a key by its order stays, whichever run brings it', async () => {
  await using lake = await openTempLake();
  const deps = depsOf(lake, projectOf([FIRST]));
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

test('key: only touched keys are computed again, and unchanged ones are not written', async () => {
  await using lake = await openTempLake();
  const deps = depsOf(lake, projectOf([FIRST, BY_KEY]));
  await land(
    lake,
    'bronze.readings',
    readings(`('a','s1','2026-01-01 10:00:00Z',1,1),('b','s2','2026-01-01 10:00:00Z',2,2)`),
  );
  await runModels(deps);
  await land(
    lake,
    'bronze.readings',
    readings(`('c','s1','2026-01-01 11:00:00Z',5,3),('a','s1','2026-01-01 10:00:00Z',1,4)`),
  );
  const report = await runModels(deps);
  expect(report.summary.models.find((m) => m.model === 'gold.sensors')).toMatchObject({
    action: 'incremental',
    rows_written: 1,
  });
  expect(await rowsOf(lake, 'gold.sensors')).toEqual([
    { sensor: 's1', n: '2', total: '6' },
    { sensor: 's2', n: '1', total: '2' },
  ]);
});

test('nothing new: no commit and no release', async () => {
  await using lake = await openTempLake();
  const deps = depsOf(lake, projectOf([FIRST, BY_KEY]));
  await land(lake, 'bronze.readings', readings(`('a','s1','2026-01-01 10:00:00Z',1,1)`));
  await runModels(deps);
  const before = await hashOf(lake, 'gold.sensors');
  const report = await runModels(deps);
  expect(report).toMatchObject({ outcome: 'unchanged', release: 1 });
  expect((await newestRelease(lake.store))?.number).toBe(1);
  expect(await hashOf(lake, 'gold.sensors')).toBe(before);
});
