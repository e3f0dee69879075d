-- name: silver.stg_gaming
-- description: Purchases inside games in canonical columns, one row a good record.
-- grain: _topic, _topic_id, _partition, _offset
-- owner: risk-data
-- kind: view
select
  'gaming' as domain, -- business domain
  transaction_id as event_id, -- identity given by the producer
  "timestamp" as event_time, -- when it happened, UTC
  player_id as actor_id, -- who acts
  cast(amount as decimal(38, 2)) as amount, -- in units of the currency
  currency, -- ISO 4217
  game_id as counterparty_id, -- the other side
  'game' as counterparty_kind, -- what the other side is
  payment_method as instrument_kind, -- means of payment
  instrument_id, -- token of the card or wallet
  device_id, -- device of the session
  ip_address, -- address of the session
  country, -- of the address, where known
  country as country_from, -- where the money comes from
  cast(null as varchar) as country_to, -- where it goes
  session_length_sec as session_seconds, -- length of the session so far
  item_type, -- kind of thing bought
  item_name, -- its name as shown
  _topic, -- place of the record
  _topic_id, -- incarnation of the topic
  _partition, -- place of the record
  _offset, -- place of the record
  _arrived_at -- when the broker took it
from source('bronze.tx_gaming')
where _error is null
