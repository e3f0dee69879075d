import { expect, test } from 'vitest';
import { paymentContent } from '../../../infra/content.ts';
import { openDuckdb } from '../../../infra/core/duckdb.ts';
import { isFault } from '../../../infra/core/errorCatalog.ts';
import { openFeatures } from '../../../infra/features.ts';
import { FEATURE_SETTINGS, type FeatureEntry, type FeatureSource } from '../../../transforms/feature.ts';
import { OPERATIONS } from '../../../transforms/featureOperations.ts';
import { buildFeatureSet, type FeatureParts } from '../../../transforms/featureSet.ts';

const SOURCE: FeatureSource = {
  name: 'hops',
  table: 'bronze.hops',
  eventTime: 'at',
  inputs: {
    price: {
      kind: 'exchanged',
      of: { kind: 'whole', field: 'price', scale: 2 },
      ...{ by: 'unit', seed: 'rates', key: 'unit', rate: 'rate' },
    },
    grams: { kind: 'number', field: 'grams' },
    sort: { kind: 'text', field: 'sort' },
  },
};

const about = { number: '1', description: 'x' };
const COUNT: FeatureEntry = {
  ...about,
  name: 'seen',
  kind: 'stream',
  entity: 'key',
  aggregation: 'count',
  window: '1h',
};
const EVENT: FeatureEntry = { ...about, name: 'heavy', kind: 'event', expression: 'grams > 10' };
const DERIVED: FeatureEntry = { ...about, name: 'pace', kind: 'derived', expression: 'price / seen' };
const RATES = { hash: 'a', rows: [{ unit: 'kg', rate: '1.5' }] };

function build(change: Partial<FeatureParts> = {}) {
  const seeds = new Map([['rates', RATES]]);
  return buildFeatureSet({
    source: SOURCE,
    entries: [COUNT, EVENT, DERIVED],
    seeds,
    contractVersion: 1,
    ...change,
  });
}

function problemOf(...entries: FeatureEntry[]): string {
  try {
    build({ entries });
  } catch (error) {
    if (isFault(error, 'FEATURE_INVALID')) return error.message;
    throw error;
  }
  return 'none';
}

test('what ships: kinds, one number each, and no name twice', async () => {
  const { entries } = paymentContent.features;
  const kinds = (kind: string) => entries.filter((entry) => entry.kind === kind).length;
  expect([kinds('event') >= 5, kinds('stream') >= 9, kinds('derived') >= 4]).toEqual([true, true, true]);
  expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length);
  expect(entries.filter(({ number }) => !/^\d+$/.test(number))).toEqual([]);
  const sets = await openFeatures(paymentContent);
  expect(sets.map(({ source }) => source.name)).toEqual(['gaming', 'fintech', 'ecommerce']);
});

test('every field that the sources name is a field of their contract', () => {
  for (const { table, inputs } of paymentContent.features.sources) {
    const contract = paymentContent.contracts.find((one) => one.table === table);
    const fields = Object.values(inputs).flatMap((input) =>
      input.kind === 'exchanged' ? [input.by, input.of.field] : [input.field],
    );
    const known = contract?.fields.map(({ name }) => name) ?? [];
    expect(fields.filter((field) => !known.includes(field.split('.')[0] ?? ''))).toEqual([]);
  }
});

test.each<[string, FeatureEntry[]]>([
  ["there is no 'weight', only price, grams", [{ ...EVENT, expression: 'weight > 1' }]],
  ["'>' does not take (text, number)", [{ ...EVENT, expression: 'sort > 1' }]],
  ["there is no operation 'ln'", [{ ...EVENT, expression: 'ln(grams)' }]],
  ['it ends too early', [{ ...EVENT, expression: 'grams +' }]],
  ["';' is no part of an expression", [{ ...EVENT, expression: 'grams;' }]],
  ["')' expected, not the end", [{ ...EVENT, expression: '(grams' }]],
  ['a text is no feature', [{ ...EVENT, expression: 'sort' }]],
  ['make it derived', [COUNT, { ...EVENT, expression: 'seen > 1' }]],
  ['the name is there twice', [COUNT, COUNT]],
  ["the window '25h' is none of at most 24h", [{ ...COUNT, window: '25h' }]],
  ["sum of 'grams' is not exact", [{ ...COUNT, aggregation: 'sum', of: 'grams' }]],
  ["max of 'sort', which is text", [{ ...COUNT, aggregation: 'max', of: 'sort' }]],
  ["count has no 'of'", [{ ...COUNT, of: 'grams' }]],
  ["sum needs 'of'", [{ ...COUNT, aggregation: 'sum' }]],
  ["'where' is neither true nor false", [{ ...COUNT, where: 'grams' }]],
  ["there is no input 'hue'", [{ ...COUNT, match: ['hue'] }]],
  ['lower snake case', [{ ...EVENT, name: 'Heavy' }]],
])('a wrong entry is refused: %s', (problem, entries) => {
  expect(problemOf(...entries)).toContain(problem);
});

test('a hash changes with all that determines values, and with nothing else', () => {
  const hashes = (change: Partial<FeatureParts>) => build(change).features.map(({ hash }) => hash);
  const [count, heavy, pace] = hashes({});
  const other = (entry: FeatureEntry) =>
    [COUNT, EVENT, DERIVED].map((one) => (one.name === entry.name ? entry : one));
  expect(hashes({ entries: other({ ...COUNT, description: 'y' } as FeatureEntry) })).toEqual([
    count,
    heavy,
    pace,
  ]);
  expect(hashes({ entries: other({ ...EVENT, expression: '(grams)  > 10' } as FeatureEntry) })).toEqual([
    count,
    heavy,
    pace,
  ]);
  const window = hashes({ entries: other({ ...COUNT, window: '2h' } as FeatureEntry) });
  expect([window[0] === count, window[1] === heavy, window[2] === pace]).toEqual([false, true, false]);
  const seed = hashes({ seeds: new Map([['rates', { ...RATES, hash: 'b' }]]) });
  expect([seed[0] === count, seed[1] === heavy, seed[2] === pace]).toEqual([true, true, false]);
  const settings = hashes({ settings: { ...FEATURE_SETTINGS, latenessMs: 1 } });
  expect([settings[0] === count, settings[1] === heavy, settings[2] === pace]).toEqual([false, true, false]);
  const version = hashes({ contractVersion: 2 });
  expect(version.filter((hash, i) => hash === [count, heavy, pace][i])).toEqual([]);
});

test('ln_whole is the logarithm within 2^-50, and the same in SQL bit for bit', async () => {
  const ln = OPERATIONS.get('ln_whole')!;
  const powers = Array.from({ length: 53 }, (_, i) => [2 ** i - 1, 2 ** i, 2 ** i + 1]).flat();
  const values = [...Array.from({ length: 3_000 }, (_, i) => i), ...powers, 7e15, 0.5, 2 ** 53 - 1];
  for (const x of values.filter((one) => one >= 1 && Number.isInteger(one) && one < 2 ** 53)) {
    expect(Math.abs(ln.run(x) - Math.log(x))).toBeLessThanOrEqual(2 ** -50 * Math.max(1, Math.log(x)));
  }
  await using duckdb = await openDuckdb({ memoryBytes: 2 ** 28, threads: 1 });
  await using session = await duckdb.connect();
  const rows = await session.rows(
    `select ${ln.sql('x')} as ln from (select unnest([${values.map((x) => `${x}::double`).join(', ')}]) as x)`,
  );
  expect(rows.map((row) => row['ln'] ?? Number.NaN)).toEqual(values.map((x) => ln.run(x)));
});
