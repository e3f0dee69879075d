-- name: silver.decisions
-- description: What was decided about each record, once: the first decision about it counts, whatever is repeated.
-- grain: decision_id
-- owner: risk-data
-- kind: first(decision_id) by (_arrived_at, _topic, _topic_id, _partition, _offset)
-- partitioned by: event_date
-- sorted by: key, decided_at
-- audit not_null(source_offset): row error
-- audit accepted_values(decision, 'approve', 'review', 'decline'): row error
-- audit accepted_values(risk_tier, 'low', 'medium', 'high', 'critical'): row error
-- audit unique(decision_id): set error
select
  decision_id, -- <topic>:<topic id>:<partition>:<offset> of the record
  split_part(decision_id, ':', 1) as source_topic, -- topic of the record
  split_part(decision_id, ':', 2) as source_topic_id, -- incarnation of that topic
  try_cast(split_part(decision_id, ':', 3) as integer) as source_partition, -- place of the record
  try_cast(split_part(decision_id, ':', 4) as bigint) as source_offset, -- place of the record
  key, -- key of the record; empty where it has none
  event_id, -- what labels call the event
  event_time, -- when it happened; null of a bad record
  cast(coalesce(event_time, decided_at) as date) as event_date, -- day of event_time, else of decided_at; the partition
  decided_at, -- when it was decided
  decision, -- approve, review or decline
  risk_tier, -- low, medium, high or critical
  reason_code, -- why it is a review whatever a model says
  reasons, -- what spoke for fraud
  class, -- most probable class
  p_fraud, -- calibrated probability of fraud
  model_version, -- version that scored it
  feature_list, -- hash of the list of features in the vector
  vector, -- as seen: float32, little endian, base64
  statuses, -- a letter for the windows and each gold entity
  gold_age_s, -- how far gold was behind, seconds; null at 0
  shadow, -- scores of models that did not decide
  _topic, -- place of the decision in bronze
  _topic_id, -- incarnation of the topic of decisions
  _partition, -- place of the decision
  _offset, -- place of the decision
  _arrived_at -- when the broker took it
from source('bronze.decisions')
where _error is null
