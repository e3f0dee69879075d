-- name: silver.merchants
-- description: Known counterparties: games, shops and payees.
-- grain: merchant_id
-- owner: risk-data
-- kind: table
-- sorted by: merchant_id
-- audit not_null(merchant_id): row error
-- audit unique(merchant_id): set error
-- audit accepted_values(risk_tier, 'low', 'medium', 'high'): set warn
select
  merchant_id, -- identity, as in counterparty_id
  name, -- as shown to people
  kind, -- game, shop or payee
  category, -- line of business
  risk_tier -- low, medium or high
from seed('merchants')
