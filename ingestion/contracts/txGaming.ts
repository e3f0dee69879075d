import type { Contract } from '../contract.ts';
import { AMOUNT, CURRENCY_CODES, MAX_AGE_MS } from './vocabulary.ts';

/** Purchases inside games, keyed by the player. */
export const txGaming: Contract = {
  topic: 'tx.gaming',
  table: 'bronze.tx_gaming',
  version: 1,
  doc: 'Purchases inside games, keyed by the player.',
  fields: [
    { name: 'transaction_id', type: 'string', doc: 'unique, 16 of A-Z0-9' },
    { name: 'timestamp', type: 'timestamp-micros', doc: 'when the purchase was made' },
    { name: 'player_id', type: 'string', doc: 'the actor' },
    { name: 'game_id', type: 'string', doc: 'game, the counterparty' },
    { name: 'item_type', type: 'string', doc: 'skin, weapon, lootbox, currency, battle_pass or emote' },
    { name: 'item_name', type: 'string', doc: 'as shown to the player' },
    { name: 'amount', type: AMOUNT, doc: 'in units of the currency' },
    { name: 'currency', type: 'string', doc: 'ISO 4217' },
    { name: 'payment_method', type: 'string', doc: 'credit_card, paypal or steam_wallet' },
    { name: 'instrument_id', type: 'string', doc: 'token of the card or wallet' },
    { name: 'ip_address', type: 'string', doc: 'of the session' },
    { name: 'country', type: 'string', optional: true, doc: 'of the address, where known' },
    { name: 'device_id', type: 'string', doc: 'of the session' },
    { name: 'session_length_sec', type: 'int', doc: 'length of the session so far, in seconds' },
  ],
  key: 'player_id',
  eventTime: 'timestamp',
  maxAgeMs: MAX_AGE_MS,
  rules: [
    { name: 'transaction_id_form', field: 'transaction_id', check: { pattern: '^[A-Z0-9]{16}$' } },
    { name: 'player_id_present', field: 'player_id', check: { minLength: 1, maxLength: 64 } },
    { name: 'amount_positive', field: 'amount', check: { min: 0 } },
    { name: 'currency_known', field: 'currency', check: { oneOf: CURRENCY_CODES } },
    { name: 'session_length_range', field: 'session_length_sec', check: { min: 0, max: 604_800 } },
  ],
  partitions: 12,
};
