import type { Contract } from '../contract.ts';
import { AMOUNT, COUNTRY, CURRENCY_CODES, MAX_AGE_MS } from './vocabulary.ts';

/** Account-to-account transfers, keyed by the paying account. */
export const txFintech: Contract = {
  topic: 'tx.fintech',
  table: 'bronze.tx_fintech',
  version: 1,
  doc: 'Account-to-account transfers, keyed by the paying account.',
  fields: [
    { name: 'transaction_id', type: 'string', doc: 'unique, 16 of A-Z0-9' },
    { name: 'timestamp', type: 'timestamp-micros', doc: 'when the transfer was ordered' },
    { name: 'account_from', type: 'string', doc: 'paying account, the actor' },
    { name: 'account_to', type: 'string', doc: 'receiving account' },
    { name: 'amount', type: AMOUNT, doc: 'in units of the currency' },
    { name: 'currency', type: 'string', doc: 'ISO 4217' },
    { name: 'transfer_type', type: 'string', doc: 'wire, ach, swift or sepa' },
    { name: 'country_from', type: 'string', doc: 'ISO 3166-1 alpha-2' },
    { name: 'country_to', type: 'string', doc: 'ISO 3166-1 alpha-2' },
    { name: 'purpose', type: 'string', doc: 'stated purpose' },
    { name: 'ip_address', type: 'string', doc: 'of the session' },
    { name: 'device_id', type: 'string', doc: 'of the session' },
  ],
  key: 'account_from',
  eventTime: 'timestamp',
  maxAgeMs: MAX_AGE_MS,
  rules: [
    { name: 'transaction_id_form', field: 'transaction_id', check: { pattern: '^[A-Z0-9]{16}$' } },
    { name: 'account_from_present', field: 'account_from', check: { minLength: 1, maxLength: 64 } },
    { name: 'account_to_present', field: 'account_to', check: { minLength: 1, maxLength: 64 } },
    { name: 'amount_positive', field: 'amount', check: { min: 0 } },
    { name: 'currency_known', field: 'currency', check: { oneOf: CURRENCY_CODES } },
    {
      name: 'transfer_type_known',
      field: 'transfer_type',
      check: { oneOf: ['wire', 'ach', 'swift', 'sepa'] },
    },
    { name: 'country_from_form', field: 'country_from', check: COUNTRY },
    { name: 'country_to_form', field: 'country_to', check: COUNTRY },
  ],
  partitions: 12,
};
