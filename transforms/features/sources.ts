import type { FeatureEntity, FeatureInput, FeatureLabels, FeatureSource } from '../feature.ts';

/** Cents of the base currency, as in `silver.transactions`, for every good record. */
const inBase = {
  kind: 'exchanged',
  by: 'currency',
  seed: 'fx',
  key: 'currency',
  rate: 'rate_to_base',
} as const;

const text = (field: string): FeatureInput => ({ kind: 'text', field });

const AMOUNT = { kind: 'whole', field: 'amount', scale: 2 } as const;
const CART = { kind: 'total', field: 'cart_items', each: 'price', times: 'quantity', scale: 2 } as const;

/** The canonical columns of the payment domains that features use, from the fields of their contracts. */
export const FEATURE_SOURCES: readonly FeatureSource[] = [
  {
    name: 'gaming',
    table: 'bronze.tx_gaming',
    eventTime: 'timestamp',
    eventId: 'transaction_id',
    inputs: {
      amount_hundredths: AMOUNT,
      amount_base_minor: { ...inBase, of: AMOUNT },
      counterparty_id: text('game_id'),
      instrument_id: text('instrument_id'),
      device_id: text('device_id'),
    },
  },
  {
    name: 'fintech',
    table: 'bronze.tx_fintech',
    eventTime: 'timestamp',
    eventId: 'transaction_id',
    inputs: {
      amount_hundredths: AMOUNT,
      amount_base_minor: { ...inBase, of: AMOUNT },
      counterparty_id: text('account_to'),
      device_id: text('device_id'),
      country_from: text('country_from'),
      country_to: text('country_to'),
    },
  },
  {
    name: 'ecommerce',
    table: 'bronze.tx_ecommerce',
    eventTime: 'timestamp',
    eventId: 'transaction_id',
    inputs: {
      amount_hundredths: CART,
      amount_base_minor: { ...inBase, of: CART },
      counterparty_id: text('merchant_id'),
      instrument_id: text('instrument_id'),
      device_id: text('device_fingerprint'),
      country_from: text('billing_address.country'),
      country_to: text('shipping_address.country'),
    },
  },
];

/** Whom gold features are about; ids of devices and counterparties mean the same in all domains. */
export const FEATURE_ENTITIES: readonly FeatureEntity[] = [
  { name: 'actor' },
  { name: 'merchant', input: 'counterparty_id' },
  { name: 'device', input: 'device_id' },
];

/** A verdict of fraud beats a chargeback, which beats a verdict of legitimate; as in `silver.event_labels`. */
export const FEATURE_LABELS: FeatureLabels = {
  table: 'bronze.labels',
  event: 'event_id',
  statement: 'label_id',
  revision: 'revision',
  availableAt: 'label_available_at',
  rank: `case
    when source = 'verdict' and label = 'fraud' then 1
    when source = 'chargeback' then 2
    when source = 'verdict' and label = 'legitimate' then 3
    else 4
  end`,
  counts: { known: "label <> 'unsure'", fraud: "label = 'fraud'" },
};
