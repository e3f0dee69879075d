import { CURRENCY_CODES } from '../contracts/vocabulary.ts';

export type Currency = (typeof CURRENCY_CODES)[number];

/** How many digits stand after the point, and what one unit is worth in US dollars. */
export const CURRENCIES: Readonly<Record<Currency, { minorDigits: 0 | 2; rateToBase: string }>> = {
  USD: { minorDigits: 2, rateToBase: '1.0000' },
  EUR: { minorDigits: 2, rateToBase: '1.0850' },
  GBP: { minorDigits: 2, rateToBase: '1.2700' },
  JPY: { minorDigits: 0, rateToBase: '0.0067' },
  CHF: { minorDigits: 2, rateToBase: '1.1300' },
};

/** An amount of US dollars in minor units of `currency`, at least one. */
export function minorFromUsd(usd: number, currency: Currency): number {
  const { minorDigits } = CURRENCIES[currency];
  return Math.max(1, Math.round((usd / RATES[currency]) * 10 ** minorDigits));
}

/** The value of minor units of `currency` in US dollars, as a double. */
export function usdFromMinor(amountMinor: number, currency: Currency): number {
  return (amountMinor / 10 ** CURRENCIES[currency].minorDigits) * RATES[currency];
}

/** The nearest price below that ends in .99 (of a currency without minor digits: in 9). */
export function shelfPriceMinor(amountMinor: number, currency: Currency): number {
  const step = CURRENCIES[currency].minorDigits === 2 ? 100 : 10;
  return Math.max(step - 1, Math.round(amountMinor / step) * step - 1);
}

/** Minor units as the decimal text of the currency: 1250 is `12.50` in USD and `1250` in JPY. */
export function amountText(amountMinor: number, currency: Currency): string {
  if (CURRENCIES[currency].minorDigits === 0) return String(amountMinor);
  const cents = amountMinor % 100;
  return `${(amountMinor - cents) / 100}.${cents < 10 ? '0' : ''}${cents}`;
}

/** The content of `transforms/seeds/fx.csv`. */
export function fxSeedCsv(): string {
  const rows = CURRENCY_CODES.map(
    (code) => `${code},${CURRENCIES[code].minorDigits},${CURRENCIES[code].rateToBase}`,
  );
  return `currency,minor_digits,rate_to_base\n${rows.join('\n')}\n`;
}

// === Helpers ===

const RATES = Object.fromEntries(
  CURRENCY_CODES.map((code) => [code, Number(CURRENCIES[code].rateToBase)]),
) as Record<Currency, number>;
