import type { Contract, ContractField } from '../contract.ts';
import { AMOUNT, CURRENCY_CODES, MAX_AGE_MS } from './vocabulary.ts';

const ADDRESS_FIELDS: readonly ContractField[] = [
  { name: 'street', type: 'string', doc: 'street and number' },
  { name: 'city', type: 'string', doc: 'city' },
  { name: 'state', type: 'string', optional: true, doc: 'state or region' },
  { name: 'zip', type: 'string', doc: 'postal code' },
  { name: 'country', type: 'string', doc: 'ISO 3166-1 alpha-2' },
];

const CART_ITEM_FIELDS: readonly ContractField[] = [
  { name: 'product_id', type: 'string', doc: 'product' },
  { name: 'category', type: 'string', doc: 'electronics, clothing, home, books or toys' },
  { name: 'price', type: AMOUNT, doc: 'of one piece, in units of the currency' },
  { name: 'quantity', type: 'int', doc: 'pieces' },
];

/** Orders in web shops, keyed by the user. */
export const txEcommerce: Contract = {
  topic: 'tx.ecommerce',
  table: 'bronze.tx_ecommerce',
  version: 1,
  doc: 'Orders in web shops, keyed by the user.',
  fields: [
    { name: 'transaction_id', type: 'string', doc: 'unique, 16 of A-Z0-9' },
    { name: 'timestamp', type: 'timestamp-micros', doc: 'when the order was placed' },
    { name: 'user_id', type: 'string', doc: 'the actor' },
    { name: 'merchant_id', type: 'string', doc: 'shop, the counterparty' },
    {
      name: 'cart_items',
      type: { type: 'array', items: { type: 'record', fields: CART_ITEM_FIELDS } },
      doc: 'what was bought',
    },
    { name: 'currency', type: 'string', doc: 'ISO 4217' },
    {
      name: 'payment_method',
      type: 'string',
      doc: 'credit_card, debit_card, paypal, apple_pay or google_pay',
    },
    { name: 'instrument_id', type: 'string', doc: 'token of the card or wallet' },
    { name: 'shipping_address', type: { type: 'record', fields: ADDRESS_FIELDS }, doc: 'where it goes' },
    { name: 'billing_address', type: { type: 'record', fields: ADDRESS_FIELDS }, doc: 'of the instrument' },
    { name: 'ip_address', type: 'string', doc: 'of the session' },
    { name: 'device_fingerprint', type: 'string', doc: 'of the session' },
    { name: 'session_duration_sec', type: 'int', doc: 'length of the session so far, in seconds' },
  ],
  key: 'user_id',
  eventTime: 'timestamp',
  maxAgeMs: MAX_AGE_MS,
  rules: [
    { name: 'transaction_id_form', field: 'transaction_id', check: { pattern: '^[A-Z0-9]{16}$' } },
    { name: 'user_id_present', field: 'user_id', check: { minLength: 1, maxLength: 64 } },
    { name: 'merchant_id_present', field: 'merchant_id', check: { minLength: 1, maxLength: 64 } },
    { name: 'cart_not_empty', field: 'cart_items', check: { minLength: 1, maxLength: 100 } },
    { name: 'currency_known', field: 'currency', check: { oneOf: CURRENCY_CODES } },
    { name: 'session_duration_range', field: 'session_duration_sec', check: { min: 0, max: 604_800 } },
  ],
  partitions: 12,
};
