-- name: silver.event_labels
-- description: The one label of an event as known so far.
-- grain: event_id
-- owner: risk-data
-- kind: view
with newest_revision as (
  select *
  from ref('silver.labels')
  qualify row_number() over (partition by label_id order by revision desc) = 1
),

-- A verdict of fraud beats a chargeback, which beats a verdict of legitimate.
ranked as (
  select
    *,
    case
      when source = 'verdict' and label = 'fraud' then 1
      when source = 'chargeback' then 2
      when source = 'verdict' and label = 'legitimate' then 3
      else 4
    end as rank_of_source
  from newest_revision
)

select
  event_id, -- the event
  label, -- fraud, legitimate or unsure
  fraud_type, -- class of the fraud
  source, -- who said so
  label_id, -- the statement that counts
  revision, -- its revision
  known_at -- when it was known here
from ranked
qualify row_number() over (
  partition by event_id
  order by rank_of_source, known_at desc, label_id
) = 1
