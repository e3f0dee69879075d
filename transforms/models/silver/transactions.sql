-- name: silver.transactions
-- description: Every event of every domain once, in canonical columns with exact money.
-- grain: event_id
-- owner: risk-data
-- kind: first(event_id) by (_arrived_at, _topic, _topic_id, _partition, _offset)
-- partitioned by: event_date
-- sorted by: actor_id, event_time
-- audit not_null(actor_id): row error
-- audit not_null(amount_minor): row error
-- audit not_null(amount_base_minor): row error
-- audit amount_plausible: row error abs(amount_base_minor) <= 10000000000000
-- audit unique(event_id): set error
-- audit arrived_after_event(event_time): set warn
with unified as (
  select * from ref('silver.stg_gaming')
  union all by name
  select * from ref('silver.stg_fintech')
  union all by name
  select * from ref('silver.stg_ecommerce')
),

-- Money as whole numbers: hundredths of the currency's unit, billionths of the rate. Wide enough for
-- whatever a record may say: one absurd record must not stop the others.
scaled as (
  select
    unified.*,
    cast(unified.amount * 100 as hugeint) as amount_hundredths,
    cast(10 ** cast(fx.minor_digits as integer) as hugeint) as minor_scale,
    cast(cast(fx.rate_to_base as decimal(38, 9)) * 1000000000 as hugeint) as rate_billionths
  from unified
  left join seed('fx') as fx on fx.currency = unified.currency
),

-- An amount finer than its currency's minor unit has no exact value: null, and quarantined.
converted as (
  select
    *,
    case
      when amount_hundredths * minor_scale % 100 = 0 then amount_hundredths * minor_scale // 100
    end as exact_minor,
    sign(amount_hundredths) as direction,
    abs(amount_hundredths) * rate_billionths // 1000000000 as base_whole,
    abs(amount_hundredths) * rate_billionths % 1000000000 as base_rest
  from scaled
)

select
  converted.domain, -- gaming, fintech or ecommerce
  converted.event_id, -- identity of the event
  converted.event_time, -- when it happened, UTC
  cast(converted.event_time as date) as event_date, -- day of event_time, the partition
  converted.actor_id, -- who acts; ids of different domains never meet
  try_cast(converted.exact_minor as bigint) as amount_minor, -- in minor units of the currency
  converted.currency, -- ISO 4217
  try_cast(
    converted.direction * (
      converted.base_whole
      + case
        when converted.base_rest > 500000000 then 1
        when converted.base_rest = 500000000 and converted.base_whole % 2 = 1 then 1
        else 0
      end
    ) as bigint
  ) as amount_base_minor, -- in cents of the base currency, rounded half to even
  converted.counterparty_id, -- the other side
  converted.counterparty_kind, -- game, account or merchant
  merchants.category as counterparty_category, -- of a known merchant
  merchants.risk_tier as counterparty_risk_tier, -- of a known merchant
  converted.instrument_kind, -- means of payment
  converted.instrument_id, -- its token, where there is one
  converted.device_id, -- device of the session
  converted.ip_address, -- address of the session
  converted.country, -- country of the actor
  converted.country_from, -- where the money comes from
  converted.country_to, -- where it goes, where known
  coalesce(converted.country_from <> converted.country_to, false) as is_cross_border, -- both known, not equal
  converted.session_seconds, -- length of the session so far, where there is one
  converted.item_type, -- gaming: kind of thing bought
  converted.item_name, -- gaming: its name
  converted.transfer_type, -- fintech: wire, ach, swift or sepa
  converted.purpose, -- fintech: stated purpose
  converted.cart_items, -- ecommerce: what was bought
  converted.shipping_address, -- ecommerce: where it goes
  converted.billing_address, -- ecommerce: of the means of payment
  converted._topic, -- place of the record in bronze
  converted._topic_id, -- incarnation of the topic
  converted._partition, -- place of the record
  converted._offset, -- place of the record
  converted._arrived_at -- when the broker took it
from converted
left join seed('merchants') as merchants on merchants.merchant_id = converted.counterparty_id
