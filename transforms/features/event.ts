import type { FeatureEntry } from '../feature.ts';

/** Features of the event alone. */
export const EVENT_FEATURES: readonly FeatureEntry[] = [
  {
    name: 'amt_log',
    number: '1',
    kind: 'event',
    description: 'ln(1 + amount in the base currency)',
    expression: 'ln_whole(amount_base_minor + 100) - ln_whole(100)',
  },
  {
    name: 'round_amount',
    number: '6',
    kind: 'event',
    description: 'the amount is a multiple of 10 units of its own currency, and at least 50',
    expression: 'amount_hundredths % 1000 = 0 and amount_hundredths >= 5000',
  },
  {
    name: 'near_threshold',
    number: '7',
    kind: 'event',
    description: 'up to a tenth below the reporting limit of 10,000 in the base currency',
    expression: 'amount_base_minor >= 900000 and amount_base_minor < 1000000',
  },
  {
    name: 'hour_sin',
    number: '8',
    kind: 'event',
    description: 'hour of the day in UTC on the circle, sine',
    expression: 'sin24(hour)',
  },
  {
    name: 'hour_cos',
    number: '9',
    kind: 'event',
    description: 'hour of the day in UTC on the circle, cosine',
    expression: 'cos24(hour)',
  },
  {
    name: 'cross_border',
    number: '29',
    kind: 'event',
    only: ['fintech', 'ecommerce'],
    description: 'where it comes from and where it goes are two countries',
    expression: 'country_from <> country_to',
  },
];
