/** Words that the contracts of the payment domains share. */

/** Money in units of its currency: at most 13 digits before and 2 after the point. */
export const AMOUNT = { type: 'decimal', precision: 15, scale: 2 } as const;

/** Currencies of `transforms/seeds/fx.csv`. */
export const CURRENCY_CODES = ['USD', 'EUR', 'GBP', 'JPY', 'CHF'] as const;

export const COUNTRY = { pattern: '^[A-Z]{2}$' } as const;

/** 90 days. */
export const MAX_AGE_MS = 90 * 86_400_000;
