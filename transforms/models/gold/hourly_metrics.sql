-- name: gold.hourly_metrics
-- description: Volume, reach and known fraud of each domain by hour of event time.
-- grain: hour, domain
-- owner: risk-data
-- kind: key(hour, domain)
-- sorted by: hour, domain
-- touched by silver.transactions:
--   select date_trunc('hour', event_time) as hour, domain from changed
-- touched by silver.labels:
--   select date_trunc('hour', transactions.event_time) as hour, transactions.domain
--   from ref('silver.transactions') as transactions
--   where transactions.event_id in (
--     select event_id from changed
--     union all
--     select event_id from ref('silver.labels') where label_id in (select label_id from changed)
--   )
-- reads silver.transactions: event_date in (select cast(hour as date) from touched)
-- audit not_null(hour): row error
-- audit unique(hour, domain): set error
-- audit shares_are_shares: set error
--   select * from this
--   where fraud_rate not between 0 and 1 or label_coverage not between 0 and 1 or fraud_rate > label_coverage
-- audit fraud_rate_reasonable: set warn
--   select * from this where tx_count >= 100 and fraud_rate > 0.5
with events as (
  select
    date_trunc('hour', event_time) as hour,
    domain,
    event_id,
    actor_id,
    counterparty_id,
    device_id,
    amount_base_minor,
    is_cross_border,
    _arrived_at - event_time > interval 1 hour as is_late
  from ref('silver.transactions')
  where touched(date_trunc('hour', event_time), domain)
),

labelled as (
  select events.*, labels.label
  from events
  left join ref('silver.event_labels') as labels on labels.event_id = events.event_id
)

select
  hour, -- start of the hour, UTC
  domain, -- gaming, fintech or ecommerce
  count(*) as tx_count, -- events
  cast(sum(amount_base_minor) as bigint) as amount_base_minor, -- cents of the base currency
  cast(sum(amount_base_minor) as double) / count(*) as avg_amount_base_minor, -- mean a event, in cents
  quantile_disc(amount_base_minor, 0.95) as p95_amount_base_minor, -- 95th percentile, a value that occurred
  count(distinct actor_id) as unique_actors, -- actors seen
  count(distinct counterparty_id) as unique_counterparties, -- other sides seen
  count(distinct device_id) as unique_devices, -- devices seen
  count(*) filter (where is_cross_border) as cross_border_count, -- events between two countries
  count(*) filter (where is_late) as late_count, -- arrived more than an hour after they happened
  count(*) filter (where label = 'fraud') as labelled_fraud_count, -- events known to be fraud so far
  count(*) filter (where label = 'fraud') / cast(count(*) as double) as fraud_rate, -- known fraud a event, so far
  count(*) filter (where label in ('fraud', 'legitimate')) / cast(count(*) as double) as label_coverage -- events with a label
from labelled
group by hour, domain
