import { expect, test } from 'vitest';
import { paymentContent } from '../../../infra/content.ts';
import { openDuckdb } from '../../../infra/core/duckdb.ts';
import { isFault } from '../../../infra/core/errorCatalog.ts';
import { openFeatures } from '../../../infra/features.ts';
import {
  FEATURE_SETTINGS,
  type FeatureEntry,
  type FeatureLabels,
  type FeatureSource,
  type GoldEntry,
} from '../../../transforms/feature.ts';
import { OPERATIONS } from '../../../transforms/featureOperations.ts';
import { buildFeatureSet, type FeatureParts } from '../../../transforms/featureSet.ts';
import { type GoldParts, resolveGold } from '../../../transforms/goldEntity.ts';

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

const GOLD: GoldEntry = {
  ...about,
  name: 'weekly',
  kind: 'gold',
  entity: 'brewer',
  aggregation: 'sum',
  of: 'price',
  window: '7d',
};
const SHOP: FeatureSource = {
  ...{ name: 'shop', table: 'bronze.shop', eventTime: 'sold', eventId: 'id' },
  inputs: { sort: { kind: 'text', field: 'kind' }, price: { kind: 'whole', field: 'sum', scale: 2 } },
};
const LABELS: FeatureLabels = {
  ...{ table: 'bronze.notes', event: 'event', statement: 'note', revision: 'version', availableAt: 'said' },
  ...{ rank: '1', counts: { bad: "verdict = 'bad'" } },
};

/** Gold of two sources, the second of which has no grams. */
function golds(
  entries: readonly FeatureEntry[],
  change: Partial<GoldParts> & { labels?: FeatureLabels } = {},
) {
  const { labels = LABELS, ...parts } = change;
  const entities = [{ name: 'brewer' }, { name: 'kind', input: 'sort' }, { name: 'mass', input: 'grams' }];
  const sources = [{ ...SOURCE, eventId: 'id' }, SHOP];
  return resolveGold({
    content: { entries, sources, entities, labels },
    seeds: new Map([['rates', RATES]]),
    contractVersions: new Map([
      ['bronze.hops', 1],
      ['bronze.shop', 1],
      ['bronze.notes', 1],
    ]),
    settings: FEATURE_SETTINGS,
    ...parts,
  });
}

function problemOf(...entries: FeatureEntry[]): string {
  try {
    build({ entries, gold: golds(entries) });
  } catch (error) {
    if (isFault(error, 'FEATURE_INVALID')) return error.message;
    throw error;
  }
  return 'none';
}

test('what ships: kinds, one number each, and no name twice', async () => {
  const { entries } = paymentContent.features;
  const kinds = (kind: string) => entries.filter((entry) => entry.kind === kind).length;
  const enough = [kinds('event') >= 5, kinds('stream') >= 9, kinds('gold') >= 8, kinds('derived') >= 4];
  expect(enough).toEqual([true, true, true, true]);
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
  ["there is no entity 'hop', only brewer", [{ ...GOLD, entity: 'hop' }]],
  ["'grams' of hops is no text", [{ ...GOLD, entity: 'mass' }]],
  ["the window '91d' is none of at most 90d", [{ ...GOLD, window: '91d' }]],
  ["the window '90m' is none of at most 90d, in whole hours", [{ ...GOLD, window: '90m' }]],
  ["sum of 'grams' is not exact", [{ ...GOLD, of: 'grams' }]],
  ["max of 'sort', which is text", [{ ...GOLD, aggregation: 'max', of: 'sort' }]],
  ["distinct of 'price', which is no text", [{ ...GOLD, aggregation: 'distinct' }]],
  ["there is no input 'hue'", [{ ...GOLD, of: 'hue' }]],
  ["there is no input 'key'", [{ ...GOLD, of: 'key' }]],
  ["count has no 'of'", [{ ...GOLD, aggregation: 'count' }]],
  ["there is no count of labels 'worse', only bad", [{ ...GOLD, aggregation: 'labels', of: 'worse' }]],
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

test('the hash of a gold feature changes with all that it stands on, over all sources', () => {
  const label: GoldEntry = { ...GOLD, name: 'bad', aggregation: 'labels', of: 'bad' };
  const hashes = (change: Parameters<typeof golds>[1] = {}, entry: GoldEntry = GOLD) =>
    golds([entry, label], change)[0]!.features.map(({ hash }) => hash);
  const before = hashes();
  const same = (after: readonly string[]) => after.map((hash, i) => hash === before[i]);
  expect(same(hashes({}, { ...GOLD, description: 'y' }))).toEqual([true, true]);
  expect(same(hashes({}, { ...GOLD, window: '8d' }))).toEqual([false, true]);
  expect(same(hashes({}, { ...GOLD, aggregation: 'mean' }))).toEqual([false, true]);
  expect(same(hashes({}, { ...GOLD, entity: 'brewer', of: 'price' }))).toEqual([true, true]);
  const seeds = new Map([['rates', { ...RATES, hash: 'b' }]]);
  expect(same(hashes({ seeds }))).toEqual([false, true]);
  const versions = (table: string) =>
    new Map([
      ...['bronze.hops', 'bronze.shop', 'bronze.notes'].map((one) => [one, one === table ? 2 : 1] as const),
    ]);
  expect(same(hashes({ contractVersions: versions('bronze.shop') }))).toEqual([false, false]);
  expect(same(hashes({ contractVersions: versions('bronze.notes') }))).toEqual([true, false]);
  expect(same(hashes({ labels: { ...LABELS, rank: '2' } }))).toEqual([true, false]);
  expect(same(hashes({ settings: { ...FEATURE_SETTINGS, gridMs: 1_800_000 } }))).toEqual([false, false]);
  expect(same(hashes({ settings: { ...FEATURE_SETTINGS, graceMs: 1 } }))).toEqual([false, false]);
  expect(same(hashes({ settings: { ...FEATURE_SETTINGS, goldMaxAgeMs: 1, latenessMs: 1 } }))).toEqual([
    true,
    true,
  ]);
});

test('tiles hold what features need once, marts a column each; another feature is another table', () => {
  const [brewer] = golds([GOLD, { ...GOLD, name: 'mean_price', aggregation: 'mean' }]);
  expect(brewer!.tileFields.map(({ name }) => name)).toEqual([
    ...['entity_id', 'hour', 'visible_from', 'n', 'price_sum', 'price_n'],
  ]);
  expect(brewer!.martFields.map(({ name }) => name)).toEqual([
    'entity_id',
    'as_of',
    'tiles',
    'weekly',
    'mean_price',
  ]);
  const [less] = golds([GOLD]);
  expect(less!.tilesHash).not.toBe(brewer!.tilesHash);
  const [longer] = golds([{ ...GOLD, window: '8d' }]);
  expect([longer!.tilesHash === less!.tilesHash, longer!.martHash === less!.martHash]).toEqual([true, false]);
});

test('a source that cannot name the entity refuses its features, unless they are not for it', () => {
  const nameless: FeatureSource = { ...SOURCE, name: 'scales', inputs: { grams: SOURCE.inputs['grams']! } };
  const entry: GoldEntry = { ...GOLD, entity: 'kind', aggregation: 'count' };
  const { of: _, ...count } = entry;
  const gold = golds([count]);
  expect(() => build({ source: nameless, entries: [count], gold })).toThrow(/scales names no kind/);
  expect(build({ source: nameless, entries: [{ ...count, only: ['hops'] }], gold }).features).toEqual([]);
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
