-- name: silver.labels
-- description: What became known about events later; every revision of every statement.
-- grain: label_id, revision
-- owner: risk-data
-- kind: first(label_id, revision) by (_arrived_at, _topic, _topic_id, _partition, _offset)
-- sorted by: event_id
-- audit accepted_values(label, 'fraud', 'legitimate', 'unsure'): row error
-- audit unique(label_id, revision): set error
select
  label_id, -- one statement about one event
  revision, -- from 1; a correction has a higher one
  event_id, -- the event that is labelled
  label, -- fraud, legitimate or unsure
  fraud_type, -- class of the fraud
  source, -- chargeback, verdict or simulator
  label_available_at, -- when it became known outside
  greatest(label_available_at, _arrived_at) as known_at, -- when it was known here
  _topic, -- place of the record in bronze
  _topic_id, -- incarnation of the topic
  _partition, -- place of the record
  _offset, -- place of the record
  _arrived_at -- when the broker took it
from source('bronze.labels')
where _error is null
