-- name: gold.actor_risk_profiles
-- description: What is known about each actor, over all time and over the 30 days up to its last event.
-- grain: actor_id, domain
-- owner: risk-data
-- kind: key(actor_id, domain)
-- sorted by: actor_id
-- touched by silver.transactions: select actor_id, domain from changed
-- touched by silver.labels:
--   select transactions.actor_id, transactions.domain
--   from ref('silver.transactions') as transactions
--   where transactions.event_id in (
--     select event_id from changed
--     union all
--     select event_id from ref('silver.labels') where label_id in (select label_id from changed)
--   )
-- audit not_null(actor_id): row error
-- audit unique(actor_id, domain): set error
-- audit counts_fit: set error
--   select * from this
--   where tx_count < tx_count_30d or tx_count_30d < 1 or fraud_label_count > tx_count or last_seen < first_seen
with events as materialized (
  select
    actor_id,
    domain,
    event_id,
    event_time,
    amount_base_minor,
    device_id,
    country,
    counterparty_id,
    is_cross_border
  from ref('silver.transactions')
  where touched(actor_id, domain)
),

last_events as (
  select actor_id, domain, max(event_time) as last_seen
  from events
  group by actor_id, domain
),

frauds as (
  select event_id from ref('silver.event_labels') where label = 'fraud'
),

labelled as (
  select
    events.*,
    events.event_time >= last_events.last_seen - interval 30 day as in_30d,
    extract(hour from events.event_time) < 6 as is_night,
    frauds.event_id is not null as is_fraud
  from events
  join last_events on last_events.actor_id = events.actor_id and last_events.domain = events.domain
  left join frauds on frauds.event_id = events.event_id
),

-- Sums are whole numbers, so that they do not depend on the order of the rows.
totals as (
  select
    actor_id,
    domain,
    min(event_time) as first_seen,
    max(event_time) as last_seen,
    count(*) as tx_count,
    sum(amount_base_minor) as amount,
    count(*) filter (where in_30d) as n,
    sum(amount_base_minor) filter (where in_30d) as sum_30d,
    sum(cast(amount_base_minor as hugeint) * amount_base_minor) filter (where in_30d) as squares_30d,
    max(amount_base_minor) filter (where in_30d) as max_30d,
    count(distinct device_id) filter (where in_30d) as devices_30d,
    count(distinct country) filter (where in_30d) as countries_30d,
    count(distinct counterparty_id) filter (where in_30d) as counterparties_30d,
    count(*) filter (where in_30d and is_cross_border) / cast(n as double) as cross_border_share_30d,
    count(*) filter (where in_30d and is_night) / cast(n as double) as night_share_30d,
    count(*) filter (where is_fraud) as fraud_label_count
  from labelled
  group by actor_id, domain
),

-- n · Σx² − (Σx)² is exact while it fits 38 digits; beyond that the same formula in doubles.
spread as (
  select
    *,
    case
      when n < 2 then null
      when n < 1000000 and abs(sum_30d) < 1000000000000000
        then sqrt(cast(n * squares_30d - sum_30d * sum_30d as double) / (cast(n as double) * (n - 1)))
      else sqrt(
        greatest(0, cast(squares_30d as double) - cast(sum_30d as double) * (cast(sum_30d as double) / n)) / (n - 1)
      )
    end as sd_30d
  from totals
),

-- The first rule that holds decides; an actor for which none holds is low.
ruled as (
  select
    *,
    case
      when fraud_label_count > 0 and (countries_30d > 3 or devices_30d > 5)
        then 'critical: known fraud, and more than 3 countries or 5 devices in 30 days'
      when fraud_label_count > 0 then 'high: known fraud'
      when countries_30d > 3 then 'high: more than 3 countries in 30 days'
      when devices_30d > 5 then 'high: more than 5 devices in 30 days'
      when n >= 5 and cross_border_share_30d > 0.5 then 'high: most events cross a border'
      when devices_30d > 2 then 'medium: more than 2 devices in 30 days'
      when n >= 5 and cross_border_share_30d > 0.2 then 'medium: more than a fifth of events cross a border'
      when n >= 10 and night_share_30d > 0.5 then 'medium: most events at night'
      else 'low: no rule holds'
    end as rule
  from spread
)

select
  actor_id, -- who acts
  domain, -- gaming, fintech or ecommerce
  first_seen, -- first event time
  last_seen, -- last event time; the 30 days end here
  tx_count, -- events of all time
  cast(amount as bigint) as amount_base_minor, -- sum of all time, cents of the base currency
  n as tx_count_30d, -- events of the 30 days
  cast(sum_30d as bigint) as amount_base_minor_30d, -- sum, cents
  cast(sum_30d as double) / n as mean_amount_base_minor_30d, -- mean, cents
  sd_30d as sd_amount_base_minor_30d, -- sample standard deviation, cents; null for one event
  max_30d as max_amount_base_minor_30d, -- largest, cents
  devices_30d, -- distinct devices
  countries_30d, -- distinct countries of the actor
  counterparties_30d, -- distinct other sides
  cross_border_share_30d, -- share of events between two countries
  night_share_30d, -- share of events from 00:00 to 06:00 UTC
  fraud_label_count, -- events known to be fraud, of all time
  split_part(rule, ':', 1) as risk_tier, -- low, medium, high or critical
  trim(split_part(rule, ':', 2)) as risk_rule -- the rule that gave the tier
from ruled
