-- name: gold.sensor_days
-- description: Coldest and warmest temperature of a sensor's day.
-- grain: sensor, day
-- owner: test
-- kind: key(sensor, day)
-- touched by silver.readings: select sensor, cast(measured as date) as day from changed
-- audit ordered: set error
--   select * from this where coldest > warmest
select
  sensor, -- what measured
  cast(measured as date) as day, -- day, UTC
  count(*) as readings, -- measurements
  min(celsius) as coldest, -- degrees
  max(celsius) as warmest -- degrees
from ref('silver.readings')
where touched(sensor, cast(measured as date))
group by sensor, cast(measured as date)
