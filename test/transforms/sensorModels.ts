/** A tiny domain for the engine's tests: readings of sensors, corrected by remarks that come late. */

/** Values `('id', 'sensor', '2026-01-01 10:00:00Z', value, seq)` as rows of a source. */
export function readings(values: string): string {
  return `select id, sensor, cast(ts as timestamptz) as ts, cast(value as integer) as value, cast(seq as bigint) as seq
    from (values ${values}) as t(id, sensor, ts, value, seq)`;
}

/** Values `('reading id', 'remark')` as rows of a source. */
export function remarks(values: string): string {
  return `select id, remark from (values ${values}) as t(id, remark)`;
}

export const READINGS = `
-- name: silver.readings
-- description: Each reading once.
-- grain: id
-- owner: test
-- kind: first(id) by (seq)
-- partitioned by: day
select id, sensor, ts, cast(ts as date) as day, value, seq from source('bronze.readings')`;

export const REMARKS = `
-- name: silver.remarks
-- description: Each remark as it came.
-- grain: id
-- owner: test
-- kind: append(bronze.remarks)
select id, remark from source('bronze.remarks')`;

export const SENSORS = `
-- name: gold.sensors
-- description: Totals of a sensor, void readings apart.
-- grain: sensor
-- owner: test
-- kind: key(sensor)
-- touched by silver.readings: select sensor from changed
-- touched by silver.remarks:
--   select r.sensor from changed join ref('silver.readings') as r on r.id = changed.id
-- audit limit: set error
--   select * from this where total > 1000
with void as (select distinct id from ref('silver.remarks') where remark = 'void')
select
  sensor,
  count(*) as n,
  cast(coalesce(sum(value) filter (where void.id is null), 0) as bigint) as total
from ref('silver.readings') as r left join void on void.id = r.id
where touched(sensor) group by sensor`;

export const DAYS = `
-- name: gold.days
-- description: Readings of a day with their rank.
-- grain: id
-- owner: test
-- kind: partition(day)
-- touched by silver.readings: select day from changed
-- reads silver.readings: day in (select day from touched)
select id, value, rank() over (partition by day order by value, id) as place, day
from ref('silver.readings') where touched(day)`;

export const TOP = `
-- name: gold.top
-- description: The sensor with the highest total.
-- grain: sensor
-- owner: test
-- kind: table
select sensor, total from ref('gold.sensors') qualify row_number() over (order by total desc, sensor) = 1`;

export const SENSOR_PROJECT = [READINGS, REMARKS, SENSORS, DAYS, TOP];
