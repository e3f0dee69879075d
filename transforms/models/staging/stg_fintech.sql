-- name: silver.stg_fintech
-- description: Transfers between accounts in canonical columns, one row a good record.
-- grain: _topic, _topic_id, _partition, _offset
-- owner: risk-data
-- kind: view
select
  'fintech' as domain, -- business domain
  transaction_id as event_id, -- identity given by the producer
  "timestamp" as event_time, -- when it happened, UTC
  account_from as actor_id, -- who acts
  cast(amount as decimal(38, 2)) as amount, -- in units of the currency
  currency, -- ISO 4217
  account_to as counterparty_id, -- the other side
  'account' as counterparty_kind, -- what the other side is
  transfer_type as instrument_kind, -- means of payment
  cast(null as varchar) as instrument_id, -- transfers have no token
  device_id, -- device of the session
  ip_address, -- address of the session
  country_from as country, -- country of the actor
  country_from, -- where the money comes from
  country_to, -- where it goes
  cast(null as integer) as session_seconds, -- transfers have no session
  transfer_type, -- wire, ach, swift or sepa
  purpose, -- stated purpose
  _topic, -- place of the record
  _topic_id, -- incarnation of the topic
  _partition, -- place of the record
  _offset, -- place of the record
  _arrived_at -- when the broker took it
from source('bronze.tx_fintech')
where _error is null
