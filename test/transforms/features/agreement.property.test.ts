import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { paymentContent } from '../../../infra/content.ts';
import { openFeatures } from '../../../infra/features.ts';
import { compileDecoder } from '../../../ingestion/decoder.ts';
import { FEATURE_SETTINGS } from '../../../transforms/feature.ts';
import { goldEntitiesOf } from '../../../transforms/featureSet.ts';
import type { GoldView } from '../../../transforms/goldView.ts';
import { goldOracle } from './goldOracle.ts';
import { type LandedRows, openLandedRows, openWorlds } from './landedRows.ts';
import { centsOf, type OracleVector, oracleVectors } from './oracle.ts';
import { type Domain, randomOf, randomStream, type StreamRecord } from './randomStream.ts';
import { DOMAINS, randomWorld, type World } from './randomWorld.ts';
import { differences, placeOf, someRestarts, streamVectors, type Vector } from './support.ts';

/** `TIDEMARK_FEATURE_SEEDS=200` is the large run: 500 events a seed. */
const LARGE = process.env['TIDEMARK_FEATURE_SEEDS'];
const SEEDS = Number(LARGE ?? 8);
const EVENTS = LARGE === undefined ? 250 : 500;
/** A small ring is full all the time; the shipped one has a test of its own. */
const SMALL_RING = { ...FEATURE_SETTINGS, ringRecords: 24 };
const TIMEOUT_MS = LARGE === undefined ? 30_000 : 3_600_000;
const CONTRACTS = paymentContent.contracts;

const BATCHES = Array.from({ length: Math.ceil(SEEDS / 12) }, (_, batch) => batch * 12);

describe.each(BATCHES)('twelve seeds from %i on', (firstSeed) => {
  const seeds = Array.from({ length: Math.min(12, SEEDS - firstSeed) }, (_, i) => firstSeed + i);
  let worlds: readonly (readonly [number, World])[];
  let landed: LandedRows;
  let tiles: Readonly<Record<string, string>>;
  let view: GoldView;

  beforeAll(async () => {
    worlds = seeds.map((seed) => [seed, randomWorld(seed, EVENTS)]);
    landed = await openWorlds(
      CONTRACTS,
      worlds.map(([, world]) => world),
    );
    const entities = goldEntitiesOf(await openFeatures(paymentContent, SMALL_RING));
    tiles = await landed.buildTiles(entities);
    view = await landed.viewMarts(entities, tiles, [{ at: 'each', fromMs: 0, toMs: landed.endMs }]);
  }, TIMEOUT_MS);
  afterAll(() => landed[Symbol.asyncDispose]());

  test.each(DOMAINS)(
    '%s: stream, restarted stream, back-fill and oracle agree in every bit',
    async (domain) => {
      const { set } = await featuresOf(domain, SMALL_RING);
      const backfilled = await landed.vectors(set, { tiles });
      expect(backfilled.size).toBe(seeds.length * EVENTS);
      for (const [seed, world] of worlds) {
        const records = world.streams[domain];
        const wanted = wantedOf(world, domain, SMALL_RING);
        const stream = streamVectors(set, records, { view });
        const restartAt = someRestarts(randomOf(-seed - 2));
        const restarted = streamVectors(set, records, { view, restartAt });
        const fromSql = records.map((record) => backfilled.get(placeOf(record)));
        const none = { count: 0, first: undefined };
        expect({ seed, ...differences(set, stream, wanted) }).toEqual({ seed, ...none });
        expect({ seed, ...differences(set, fromSql, wanted) }).toEqual({ seed, ...none });
        expect(bitsOf(restarted)).toEqual(bitsOf(stream));
        expect(bitsOf(fromSql as Vector[])).toEqual(bitsOf(stream));
      }
    },
    TIMEOUT_MS,
  );
});

test('the ring that ships: a key with more than twice 1,000 records within a day', async () => {
  const { set } = await featuresOf('fintech', FEATURE_SETTINGS);
  const records = denseStream(2_100).map((one) => ({ ...one, visibleFromMs: Date.UTC(2026, 0, 2) }));
  const world = { streams: { gaming: [], fintech: records, ecommerce: [] }, labels: [] };
  await using own = await openWorlds([...CONTRACTS], [world]);
  const ownTiles = await own.buildTiles(set.gold);
  const points = [{ at: 'each', fromMs: 0, toMs: own.endMs }] as const;
  const ownView = await own.viewMarts(set.gold, ownTiles, points);
  const backfilled = await own.vectors(set, { tiles: ownTiles });
  const wanted = wantedOf(world, 'fintech', FEATURE_SETTINGS);
  expect(Math.max(...wanted.map(({ values }) => values['cnt_user_24h'] || 0))).toBe(1_000);
  const fromSql = records.map((record) => backfilled.get(placeOf(record)));
  expect(differences(set, fromSql, wanted)).toEqual({ count: 0, first: undefined });
  const stream = streamVectors(set, records, { view: ownView });
  expect(differences(set, stream, wanted)).toEqual({ count: 0, first: undefined });
}, 60_000);

test.each(DOMAINS)(
  '%s: every random record is good to the decoder, with that time and that value',
  async (domain) => {
    const { contract } = await featuresOf(domain, SMALL_RING);
    const decoder = compileDecoder(contract);
    for (const { key, value, arrivedAtMs, eventTimeMs } of randomStream(3, 300, domain)) {
      const raw = { key: Buffer.from(key), value: Buffer.from(JSON.stringify(value)), arrivedAtMs };
      const judged = decoder.judge(raw);
      if (judged.kind === 'bad') throw new Error(judged.detail);
      expect([judged.eventTimeMs, JSON.parse(Buffer.from(judged.json).toString())]).toEqual([
        eventTimeMs,
        value,
      ]);
    }
  },
);

test('a file that landed after the first live record is in no window', async () => {
  const { set } = await featuresOf('fintech', FEATURE_SETTINGS);
  const [past, , live] = randomStream(1, 3, 'fintech').map((one) => ({ ...one, key: 'ann' }));
  const at = Date.UTC(2026, 0, 1);
  const before = { ...past!, arrivedAtMs: at, eventTimeMs: at, value: timed(past!, at), visibleFromMs: at };
  const after = { ...before, ...live!, arrivedAtMs: at + 1_000, eventTimeMs: at + 1_000 };
  const pair = [before, { ...after, value: timed(live!, at + 1_000) }];
  const slot = set.features.findIndex(({ entry }) => entry.name === 'cnt_user_24h');
  for (const [landedAtMs, wanted] of [
    [at, [0, 1]],
    [at + 1_000, [undefined, 0]],
  ] as const) {
    const rows = { [set.source.table]: pair };
    await using own = await openLandedRows(CONTRACTS, rows, landedAtMs);
    const found = await own.vectors(set, { tiles: await own.buildTiles(set.gold) });
    expect(pair.map((one) => found.get(placeOf(one))?.values[slot])).toEqual(wanted);
  }
});

test('the streams hold what they are meant to hold', () => {
  const records = Array.from({ length: 10 }, (_, seed) => randomStream(seed, 500, 'fintech')).flat();
  const share = (holds: (record: StreamRecord, before: StreamRecord | undefined) => boolean) =>
    records.filter((record, i) => holds(record, records[i - 1])).length / records.length;
  const lateness = ({ arrivedAtMs, eventTimeMs }: StreamRecord) => arrivedAtMs - eventTimeMs;
  expect(
    share((one, before) => before !== undefined && one.eventTimeMs < before.eventTimeMs),
  ).toBeGreaterThan(0.1);
  expect(share((one) => lateness(one) > FEATURE_SETTINGS.latenessMs)).toBeGreaterThan(0.03);
  expect(share((one) => lateness(one) === FEATURE_SETTINGS.latenessMs)).toBeGreaterThan(0.03);
  expect(share((one, before) => one.eventTimeMs === before?.eventTimeMs)).toBeGreaterThan(0.1);
  expect(share((one, before) => one.value === before?.value)).toBeGreaterThan(0.001);
});

// === Helpers ===

async function featuresOf(domain: Domain, settings: typeof FEATURE_SETTINGS) {
  const sets = await openFeatures(paymentContent, settings);
  const set = sets.find(({ source }) => source.name === domain);
  const contract = paymentContent.contracts.find(({ table }) => table === set?.source.table);
  if (set === undefined || contract === undefined) throw new Error(`no features of ${domain}`);
  return { set, contract };
}

function wantedOf(world: World, domain: Domain, settings: typeof FEATURE_SETTINGS): OracleVector[] {
  const records = world.streams[domain];
  const gold = goldOracle(world, settings, centsOf);
  return oracleVectors(records, domain, settings, (i) => gold(records[i]!, domain));
}

function timed({ value }: StreamRecord, atMs: number): StreamRecord['value'] {
  return { ...value, account_from: 'ann', timestamp: new Date(atMs).toISOString() };
}

/** One key, a record every half a minute, some out of order. */
function denseStream(events: number): StreamRecord[] {
  return randomStream(7, events, 'fintech').map((record, i) => {
    const arrivedAtMs = Date.UTC(2026, 0, 1) + i * 30_000;
    const eventTimeMs = arrivedAtMs - (i % 7 === 0 ? 600_000 : i % 11 === 0 ? 3_600_001 : 0);
    const timestamp = new Date(eventTimeMs).toISOString();
    const value = { ...record.value, account_from: 'ann', timestamp };
    return { ...record, topicId: 'topic-1', offset: i, key: 'ann', arrivedAtMs, eventTimeMs, value };
  });
}

/** Statuses and the 32 bits of each value, so that −0 and NaN count. */
function bitsOf(vectors: readonly Vector[]): string[] {
  return vectors.map(
    ({ status, values }) => `${status} ${Buffer.from(Float32Array.from(values).buffer).toString('hex')}`,
  );
}
