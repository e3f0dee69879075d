import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newestRelease } from '../../lakehouse/release.ts';
import { openTable } from '../../lakehouse/table.ts';
import { isComplete } from '../../transforms/report.ts';
import { runModels } from '../../transforms/run.ts';
import { RUNS_TABLE } from '../../transforms/runsTable.ts';
import { openTempLake } from '../support/tempLake.ts';
import { DAYS, READINGS, REMARKS, readings, remarks, SENSORS, TOP } from './sensorModels.ts';
import { depsOf, land, modelReport, projectOf, rowsOf } from './support.ts';

const withHeader = (model: string, lines: string) =>
  model.replace('-- owner: test\n', `-- owner: test\n${lines}\n`);

test('a row audit quarantines its rows in the commit that brings them; models do not see them', async () => {
  await using lake = await openTempLake();
  const audited = withHeader(
    READINGS,
    '-- audit not_negative: row error value >= 0\n-- audit not_null(sensor): row error',
  );
  const deps = depsOf(lake, projectOf([audited, DAYS]));
  await land(
    lake,
    'bronze.readings',
    readings(`('a','s','2026-01-01 10:00:00Z',1,1),('b',null,'2026-01-01 10:00:00Z',-2,2)`),
  );
  const report = await runModels(deps);
  expect(modelReport(report, 'silver.readings')).toMatchObject({ rows_written: 2, rows_quarantined: 1 });
  expect(await rowsOf(lake, 'silver.readings', { columns: 'id, _quarantine' })).toEqual([
    { id: 'a', _quarantine: null },
    { id: 'b', _quarantine: 'not_negative; not_null(sensor)' },
  ]);
  expect(await rowsOf(lake, 'gold.days', { columns: 'id' })).toEqual([{ id: 'a' }]);
});

test('a row audit whose predicate is null keeps the row, as a CHECK does; warn only counts', async () => {
  await using lake = await openTempLake();
  const audited = withHeader(
    READINGS,
    '-- audit small: row error value < 5\n-- audit even: row warn value % 2 = 0',
  );
  await land(
    lake,
    'bronze.readings',
    readings(`('a','s','2026-01-01 10:00:00Z',null,1),('b','s','2026-01-01 10:00:00Z',3,2)`),
  );
  const report = modelReport(await runModels(depsOf(lake, projectOf([audited]))), 'silver.readings');
  expect(report).toMatchObject({ rows_quarantined: 0, rows_written: 2 });
  expect(report.audits.map(({ name, failures }) => [name, failures])).toEqual([
    ['small', 0],
    ['even', 1],
  ]);
});

test('a set audit blocks its model and what reads it at their released version; the rest is published', async () => {
  await using lake = await openTempLake();
  const deps = depsOf(lake, projectOf([READINGS, REMARKS, SENSORS, DAYS, TOP]));
  await land(lake, 'bronze.remarks', remarks(`('x','fine')`));
  await land(lake, 'bronze.readings', readings(`('a','s','2026-01-01 10:00:00Z',1,1)`));
  await runModels(deps);
  const first = await newestRelease(lake.store);

  await land(lake, 'bronze.readings', readings(`('b','s','2026-01-01 10:00:00Z',5000,2)`));
  const report = await runModels(deps);
  expect(isComplete(report)).toBe(false);
  expect(modelReport(report, 'gold.sensors')).toMatchObject({ action: 'blocked', rows_written: 0 });
  expect(modelReport(report, 'gold.sensors').audits[0]).toMatchObject({ name: 'limit', failures: 1 });
  expect(modelReport(report, 'gold.sensors').audits[0]?.examples[0]).toContain('5001');
  expect(modelReport(report, 'gold.top')).toMatchObject({ action: 'held', why: 'gold.sensors is held' });
  expect(modelReport(report, 'gold.days').action).toBe('incremental');

  const second = await newestRelease(lake.store);
  expect(second?.tables['gold.sensors']).toBe(first?.tables['gold.sensors']);
  expect(second?.tables['gold.top']).toBe(first?.tables['gold.top']);
  expect(second?.tables['gold.days']).toBeGreaterThan(first?.tables['gold.days'] ?? 0);
  expect(Object.keys(second?.staleSince ?? {}).toSorted()).toEqual(['gold.sensors', 'gold.top']);

  // Still blocked: nothing to publish, and since when it is stale stays what it was.
  expect(await runModels(deps)).toMatchObject({ outcome: 'unchanged', release: 2 });
  const held = await rowsOf(lake, RUNS_TABLE, { columns: 'outcome, model, action' });
  expect(held).toContainEqual({ outcome: 'held', model: 'gold.sensors', action: 'blocked' });

  await land(lake, 'bronze.remarks', remarks(`('b','void')`));
  expect(isComplete(await runModels(deps))).toBe(true);
  expect((await newestRelease(lake.store))?.staleSince).toEqual({});
  expect(await rowsOf(lake, 'gold.sensors')).toEqual([{ sensor: 's', n: '2', total: '1' }]);
});

test('generic set audits and those of files find their rows', async () => {
  await using lake = await openTempLake();
  const audited = withHeader(
    DAYS,
    [
      '-- audit unique(value): set warn',
      '-- audit not_null(value): set warn',
      `-- audit accepted_values(id, 'a', 'b'): set warn`,
      '-- audit relationships(id, silver.remarks, id): set warn',
      '-- audit below(value, 7): set warn',
    ].join('\n'),
  );
  const audits = { below: '-- comment\nselect * from this where $1 >= $2;' };
  await land(lake, 'bronze.remarks', remarks(`('a','fine')`));
  await land(
    lake,
    'bronze.readings',
    readings(
      `('a','s','2026-01-01 10:00:00Z',7,1),('b','s','2026-01-01 10:00:00Z',7,2),('c','s','2026-01-01 10:00:00Z',null,3)`,
    ),
  );
  const report = await runModels(depsOf(lake, projectOf([READINGS, REMARKS, audited], { audits })));
  expect(modelReport(report, 'gold.days').audits.map(({ name, failures }) => [name, failures])).toEqual([
    ['unique(value)', 1],
    ['not_null(value)', 1],
    ["accepted_values(id, 'a', 'b')", 1],
    ['relationships(id, silver.remarks, id)', 2],
    ['below(value, 7)', 2],
  ]);
});

test('SQL that fails holds its model, says why, and leaves the others alone', async () => {
  await using lake = await openTempLake();
  const broken = TOP.replace('silver.', '').replace(
    /select [\s\S]*/,
    `select cast(id as integer) as sensor from ref('silver.readings')`,
  );
  await land(lake, 'bronze.readings', readings(`('a','s','2026-01-01 10:00:00Z',7,1)`));
  const report = await runModels(depsOf(lake, projectOf([READINGS, DAYS, broken])));
  expect(modelReport(report, 'gold.top')).toMatchObject({ action: 'failed' });
  expect(modelReport(report, 'gold.top').error).toMatch(/MODEL_SQL_FAILED.*Could not convert string 'a'/);
  const release = await newestRelease(lake.store);
  expect(release?.tables).toHaveProperty(['gold.days']);
  expect(release?.tables).not.toHaveProperty(['gold.top']);
});

test.each([
  ['a null key', `('a',null,'2026-01-01 10:00:00Z',7,1)`, 'null in 1 rows'],
  ['a type that Delta lacks', `('a','s','2026-01-01 10:00:00Z',7,1)`, 'HUGEINT'],
])('%s fails the model', async (_, values, reason) => {
  await using lake = await openTempLake();
  const model = `-- name: gold.sums\n-- description: d\n-- grain: sensor\n-- owner: test\n-- kind: key(sensor)
-- touched by silver.readings: select sensor from changed
select sensor, sum(value) as total from ref('silver.readings') group by sensor`;
  await land(lake, 'bronze.readings', readings(values));
  const report = await runModels(depsOf(lake, projectOf([READINGS, model])));
  expect(modelReport(report, 'gold.sums').error).toContain(reason);
});

test('of a first model audits see only what is stored, however its rows were cut into runs', async () => {
  const audited = withHeader(READINGS, '-- audit low: set error\n--   select * from this where value > 100');
  const rows = [`('a','s','2026-01-01 10:00:00Z',1,1)`, `('a','s','2026-01-01 10:00:00Z',500,2)`];
  const lastRun = async (isCut: boolean) => {
    await using lake = await openTempLake();
    const deps = depsOf(lake, projectOf([audited]));
    for (const row of rows) {
      await land(lake, 'bronze.readings', readings(row));
      if (isCut && row === rows[0]) await runModels(deps);
    }
    const { action, audits } = modelReport(await runModels(deps), 'silver.readings');
    return { action, failures: audits.map(({ failures }) => failures) };
  };
  expect(await lastRun(false)).toEqual({ action: 'full', failures: [0] });
  expect(await lastRun(true)).toEqual({ action: 'incremental', failures: [0] });
});

test.each([
  ['sorted by a column that is not there', '-- kind: table\n-- sorted by: nothing'],
  [
    'a key that is not there',
    '-- kind: key(nothing)\n-- touched by silver.readings: select 1 as nothing from changed',
  ],
  ['an order that is not there', '-- kind: first(id) by (nothing)'],
  [
    'a partition that is not there',
    '-- kind: partition(nothing)\n-- touched by silver.readings: select 1 as nothing from changed',
  ],
])('%s fails its model and leaves the others alone', async (_, header) => {
  await using lake = await openTempLake();
  const model = `-- name: gold.copy\n-- description: d\n-- grain: id\n-- owner: test\n${header}
select id, value from ref('silver.readings')`;
  await land(lake, 'bronze.readings', readings(`('a','s','2026-01-01 10:00:00Z',7,1)`));
  const report = await runModels(depsOf(lake, projectOf([READINGS, DAYS, model])));
  expect(modelReport(report, 'gold.copy')).toMatchObject({ action: 'failed' });
  expect((await newestRelease(lake.store))?.tables).toHaveProperty(['gold.days']);
});

test('a predicate of reads that fails, fails its model alone', async () => {
  await using lake = await openTempLake();
  const model = DAYS.replace('select day from touched)', 'select nothing from touched)');
  const deps = depsOf(lake, projectOf([READINGS, model]));
  for (const seq of [1, 2]) {
    await land(lake, 'bronze.readings', readings(`('r${seq}','s','2026-01-01 10:00:00Z',7,${seq})`));
    const report = await runModels(deps);
    expect(modelReport(report, 'gold.days').action).toBe(seq === 1 ? 'full' : 'failed');
  }
});

test('an audit of a file may read another model, which then comes first', async () => {
  await using lake = await openTempLake();
  const audits = { known: `select * from this where id not in (select id from ref('silver.zones'))` };
  const zones = REMARKS.replace('silver.remarks', 'silver.zones');
  const audited = withHeader(READINGS, '-- audit known: set warn');
  await land(lake, 'bronze.remarks', remarks(`('a','fine')`));
  await land(
    lake,
    'bronze.readings',
    readings(`('a','s','2026-01-01 10:00:00Z',1,1),('b','s','2026-01-01 10:00:00Z',1,2)`),
  );
  const report = await runModels(depsOf(lake, projectOf([audited, zones], { audits })));
  expect(modelReport(report, 'silver.readings')).toMatchObject({ action: 'full', error: null });
  expect(modelReport(report, 'silver.readings').audits[0]).toMatchObject({ failures: 1 });
});

test('a source that lost a data file holds its models, and others go on', async () => {
  await using lake = await openTempLake();
  await land(lake, 'bronze.remarks', remarks(`('a','fine')`));
  await land(lake, 'bronze.readings', readings(`('a','s','2026-01-01 10:00:00Z',1,1)`));
  const [lost = ''] = (await (await openTable(lake, 'bronze.readings'))!.snapshot()).files.keys();
  rmSync(join(lake.rootDir, 'lake', 'bronze', 'readings', lost));
  const report = await runModels(depsOf(lake, projectOf([READINGS, REMARKS])));
  expect(modelReport(report, 'silver.readings')).toMatchObject({ action: 'failed' });
  expect(modelReport(report, 'silver.readings').error).toMatch(/LAKE_OBJECT_MISSING.*bronze.readings/);
  expect((await newestRelease(lake.store))?.tables).toHaveProperty(['silver.remarks']);
});
