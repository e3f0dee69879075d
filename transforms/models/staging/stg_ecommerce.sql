-- name: silver.stg_ecommerce
-- description: Orders in web shops in canonical columns, one row a good record.
-- grain: _topic, _topic_id, _partition, _offset
-- owner: risk-data
-- kind: view
select
  'ecommerce' as domain, -- business domain
  transaction_id as event_id, -- identity given by the producer
  "timestamp" as event_time, -- when it happened, UTC
  user_id as actor_id, -- who acts
  cast(
    list_sum(
      list_transform(cart_items, lambda item: cast(item.price as decimal(38, 2)) * item.quantity)
    ) as decimal(38, 2)
  ) as amount, -- the cart's value in units of the currency
  currency, -- ISO 4217
  merchant_id as counterparty_id, -- the other side
  'merchant' as counterparty_kind, -- what the other side is
  payment_method as instrument_kind, -- means of payment
  instrument_id, -- token of the card or wallet
  device_fingerprint as device_id, -- device of the session
  ip_address, -- address of the session
  billing_address.country as country, -- country of the actor
  billing_address.country as country_from, -- where the money comes from
  shipping_address.country as country_to, -- where the goods go
  session_duration_sec as session_seconds, -- length of the session so far
  cart_items, -- what was bought
  shipping_address, -- where it goes
  billing_address, -- of the means of payment
  _topic, -- place of the record
  _topic_id, -- incarnation of the topic
  _partition, -- place of the record
  _offset, -- place of the record
  _arrived_at -- when the broker took it
from source('bronze.tx_ecommerce')
where _error is null
