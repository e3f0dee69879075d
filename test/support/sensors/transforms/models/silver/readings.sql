-- name: silver.readings
-- description: Every measurement once.
-- grain: reading_uid
-- owner: test
-- kind: first(reading_uid) by (_arrived_at, _topic, _topic_id, _partition, _offset)
-- audit unique(reading_uid): set error
select
  reading_uid, -- one measurement
  sensor, -- what measured
  measured, -- when
  celsius, -- temperature
  _topic, -- place of the record
  _topic_id, -- incarnation of the topic
  _partition, -- place of the record
  _offset, -- place of the record
  _arrived_at -- when the broker took it
from source('bronze.readings')
where _error is null and calibrated
