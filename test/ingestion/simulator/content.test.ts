import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { paymentContent } from '../../../infra/content.ts';
import { CURRENCY_CODES } from '../../../ingestion/contracts/vocabulary.ts';
import { PATTERNS } from '../../../ingestion/simulator/casting.ts';
import { merchantsSeedCsv } from '../../../ingestion/simulator/catalog.ts';
import { amountText, fxSeedCsv } from '../../../ingestion/simulator/money.ts';
import { parseAttack, parseDomains, parseDrift, parsePercent } from '../../../ingestion/simulator/options.ts';
import { liveRecords } from './simulated.ts';

function seed(name: string): string {
  return readFileSync(join(paymentContent.transformsDir, 'seeds', name), 'utf8');
}

test('the seeds hold the rates and merchants that the simulated world uses', () => {
  expect(seed('fx.csv')).toBe(fxSeedCsv());
  expect(seed('merchants.csv')).toBe(merchantsSeedCsv());
  const currencies = seed('fx.csv')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',')[0]);
  expect(currencies).toEqual([...CURRENCY_CODES]);
});

test('every game and shop of the stream, and some paid accounts, are merchants of the seed', () => {
  const merchants = new Set(
    seed('merchants.csv')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',')[0]),
  );
  expect(merchants.size).toBe(105);
  const events = liveRecords(3_000).map(({ value }) => JSON.parse(String(value)));
  const shops = events.flatMap(({ game_id, merchant_id }) => game_id ?? merchant_id ?? []);
  expect(shops.filter((id) => !merchants.has(id))).toEqual([]);
  const payees = events.filter(({ account_to }) => merchants.has(account_to));
  expect(payees.length).toBeGreaterThan(100);
});

test('there are seven regular patterns and nine frauds', () => {
  expect(PATTERNS.filter(({ fraud, name }) => !fraud && name.startsWith('regular_')).length).toBe(7);
  expect(PATTERNS.filter(({ fraud, name }) => fraud && name.startsWith('fraud_')).length).toBe(9);
});

test('amounts are written in full', () => {
  expect(amountText(1_205, 'USD')).toBe('12.05');
  expect(amountText(7, 'CHF')).toBe('0.07');
  expect(amountText(1_205, 'JPY')).toBe('1205');
});

test('settings are read as written, or refused', () => {
  expect(parsePercent('0.5%')).toBe(0.005);
  for (const wrong of ['5', '101%', '-1%', 'x%']) expect(parsePercent(wrong)).toBeUndefined();
  expect(parseDrift('amount:1.2@2h')).toEqual({ factor: 1.2, atMs: 7_200_000 });
  for (const wrong of ['amount:0@2h', 'price:2@2h', 'amount:1.2', 'amount:1.2@soon'])
    expect(parseDrift(wrong)).toBeUndefined();
  expect(parseAttack('takeover@10m')).toMatchObject({
    pattern: { name: 'fraud_account_takeover' },
    atMs: 600_000,
  });
  for (const wrong of ['saver@10m', 'takeover', 'nothing@10m']) expect(parseAttack(wrong)).toBeUndefined();
  expect(parseDomains('all')?.length).toBe(3);
  expect(parseDomains('fintech')).toEqual(['fintech']);
  expect(parseDomains('sensors')).toBeUndefined();
});
