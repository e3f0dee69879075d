import { afterAll, beforeAll, expect, test } from 'vitest';
import { paymentContent } from '../../../infra/content.ts';
import { openFeatures } from '../../../infra/features.ts';
import { FEATURE_SETTINGS } from '../../../transforms/feature.ts';
import { type FeatureSet, goldEntitiesOf } from '../../../transforms/featureSet.ts';
import { createStreamState } from '../../../transforms/featureStream.ts';
import type { GoldEntity } from '../../../transforms/goldEntity.ts';
import { type MartPoints, martSql } from '../../../transforms/goldMarts.ts';
import type { GoldStatus, GoldView } from '../../../transforms/goldView.ts';
import { distinctOf } from './goldOracle.ts';
import { type LandedRows, openLandedRows, openWorlds } from './landedRows.ts';
import { randomOf, randomStream } from './randomStream.ts';
import { randomWorld, type VisibleRecord } from './randomWorld.ts';

const HOUR = 3_600_000;
const CONTRACTS = paymentContent.contracts;
const worlds = Array.from({ length: 2 }, (_, seed) => randomWorld(seed, 160));
const moments = [
  ...new Set(
    worlds.flatMap(({ streams, labels }) => [...streams.fintech, ...labels].map((x) => x.visibleFromMs)),
  ),
].toSorted((a, b) => a - b);
let entities: readonly GoldEntity[];
let sets: readonly FeatureSet[];
let landed: LandedRows;
let tiles: Readonly<Record<string, string>>;

beforeAll(async () => {
  sets = await openFeatures(paymentContent);
  entities = goldEntitiesOf(sets);
  landed = await openWorlds(CONTRACTS, worlds);
  tiles = await landed.buildTiles(entities);
}, 60_000);
afterAll(() => landed[Symbol.asyncDispose]());

test('tiles made at every closing, at some, or at once are the same tiles', async () => {
  const random = randomOf(5);
  const some = moments.filter(() => random.below(25) === 0);
  for (const cuts of [moments.slice(10, 15), some]) {
    const pieces = await landed.buildTiles(entities, { cuts });
    for (const { name } of entities) {
      const [whole, cut] = [tiles[name], pieces[name]];
      expect(
        await rowsOf(
          `(from ${whole} except all from ${cut}) union all (from ${cut} except all from ${whole})`,
        ),
      ).toEqual([]);
    }
  }
}, 60_000);

test('the newest row of marts made point by point is what a full one has at that point, empty ones too', async () => {
  const random = randomOf(6);
  const last = (moments.at(-1) ?? 0) + 100 * 24 * HOUR;
  const ends = [...moments.filter(() => random.below(8) === 0), last];
  const each = ends.map((toMs, i): MartPoints => ({ at: 'each', fromMs: ends[i - 1] ?? 0, toMs }));
  for (const entity of entities) {
    const from = tiles[entity.name] ?? '';
    await landed.session.run(
      `create table ${entity.name}_mart as ${each.map((points) => `from (${martSql(entity, from, points)})`).join(' union all ')}`,
    );
    for (const toMs of [...ends.filter((_, i) => i % 5 === 0), last]) {
      const newest = `(from ${entity.name}_mart where as_of <= make_timestamptz(${toMs * 1000})
        qualify row_number() over (partition by entity_id order by as_of desc) = 1)`;
      const full = martSql(entity, from, { at: 'last', toMs, sinceMs: 0 });
      const columns = ['entity_id', 'tiles', ...entity.features.map(({ column }) => column)].join(', ');
      const [found, wanted] = [`select ${columns} from ${newest}`, `select ${columns} from (${full})`];
      expect(
        await rowsOf(`(${found} except all ${wanted}) union all (${wanted} except all ${found})`),
      ).toEqual([]);
    }
    const [doubled] = await rowsOf(
      `select entity_id, as_of from ${entity.name}_mart group by all having count(*) > 1`,
    );
    expect(doubled).toBeUndefined();
    const [empty] = await rowsOf(`select count(*) as n from ${entity.name}_mart where tiles = 0`);
    expect(Number(empty?.['n'])).toBeGreaterThan(0);
  }
}, 60_000);

test('a base holds those that are not empty, and since an earlier point those that have become so', async () => {
  const [actor] = entities;
  const toMs = moments.at(-1) ?? 0;
  const count = async (points: MartPoints, where: string) => {
    const sql = martSql(actor!, tiles['actor'] ?? '', points);
    return Number((await rowsOf(`select count(*) as n from (${sql}) where ${where}`))[0]?.['n']);
  };
  expect(await count({ at: 'last', toMs }, 'tiles = 0')).toBe(0);
  expect(await count({ at: 'last', toMs, sinceMs: 0 }, 'tiles = 0')).toBeGreaterThan(0);
  expect(await count({ at: 'last', toMs, sinceMs: 0 }, 'tiles > 0')).toBe(
    await count({ at: 'last', toMs }, 'true'),
  );
});

test('from 64 distinct values on a count is an estimate, the same from any cut', async () => {
  const atMs = Date.UTC(2026, 0, 1);
  const [like] = randomStream(1, 1, 'fintech');
  const records = Array.from({ length: 400 }, (_, i): VisibleRecord => {
    const eventTimeMs = atMs + i * 60_000;
    const key = `payer-${i % 300}`;
    const timestamp = new Date(eventTimeMs).toISOString();
    const value = { ...like!.value, account_from: key, account_to: 'mule', timestamp };
    const visibleFromMs = Math.ceil(eventTimeMs / HOUR) * HOUR;
    const place = { topicId: 'topic-1', partition: 0, offset: i };
    return { ...place, key, value, eventTimeMs, arrivedAtMs: eventTimeMs, visibleFromMs };
  });
  await using own = await openLandedRows(CONTRACTS, { 'bronze.tx_fintech': records });
  const merchant = entities.find(({ name }) => name === 'merchant')!;
  const points = [1, 2, 5, 7].map((hours) => atMs + hours * HOUR);
  for (const cuts of [[], [atMs + HOUR], points]) {
    const { merchant: table = '' } = await own.buildTiles([merchant], { cuts });
    for (const toMs of points) {
      const mart = martSql(merchant, table, { at: 'last', toMs });
      const [row] = await own.session.rows(`select fan_in_7d from (${mart})`);
      const keys = records.filter((one) => one.eventTimeMs < toMs).map((one) => one.key);
      expect(row?.['fan_in_7d']).toBe(distinctOf(keys));
    }
  }
});

test('sums beyond what 128 bits hold leave a deviation missing and stop nothing', async () => {
  const actor = entities.find(({ name }) => name === 'actor')!;
  const { actor: like = '' } = tiles;
  await landed.session.run(`create table absurd as from ${like} limit 1;
    update absurd set n = 2000000, amount_base_minor_n = 2000000,
      amount_base_minor_squares = 99999999999999999999999999999999999999`);
  const mart = martSql(actor, 'absurd', { at: 'last', toMs: moments.at(-1) ?? 0, sinceMs: 0 });
  const [row] = await rowsOf(`select sd_user_30d, sum_user_7d from (${mart})`);
  expect(row?.['sd_user_30d']).toBeNull();
});

test('the stream tells what the view says of the event, and how far marts lag', () => {
  const [set] = sets;
  const event = worlds[0]!.streams.gaming.find((one) => one.arrivedAtMs === one.eventTimeMs)!;
  const asOf = Math.floor((event.eventTimeMs - FEATURE_SETTINGS.graceMs) / HOUR) * HOUR;
  const asked: unknown[] = [];
  const view = (closedToMs: number, statuses: readonly GoldStatus[]): GoldView => ({
    closedToMs,
    read: (entity, id, asOfMs, { row }) => {
      asked.push([entity, id, asOfMs]);
      row.fill(entity + 1);
      return statuses[entity] ?? 'NOT_HELD';
    },
  });
  const vector = new Float32Array(set!.features.length);
  const slot = (name: string) => set!.features.findIndex(({ entry }) => entry.name === name);
  const state = createStreamState(set!, view(asOf - 2 * HOUR, ['STALE', 'PRESENT', 'NOT_FOUND']));
  expect(state.next(event, vector)).toBe('PRESENT');
  expect(asked).toEqual([
    [0, event.key, asOf],
    [1, event.value['game_id'], asOf],
    [2, event.value['device_id'], asOf],
  ]);
  expect(state.gold.statuses.map(({ entity, status }) => [entity, status])).toEqual([
    ['actor', 'STALE'],
    ['merchant', 'PRESENT'],
    ['device', 'NOT_FOUND'],
  ]);
  expect(state.gold.ageS).toBe(7_200);
  expect([vector[slot('cnt_user_7d')], vector[slot('merchant_known_n_28d')]]).toEqual([1, 2]);
  expect(vector[slot('secs_since_first_device_90d')]).toBe(Math.fround((event.eventTimeMs - 3) / 1_000));
  expect(vector[slot('merchant_risk_28d')]).toBe(Math.fround((2 + 0.2) / (2 + 20)));

  const without = createStreamState(set!);
  without.next(event, vector);
  expect(without.gold.statuses.map(({ status }) => status)).toEqual(['NOT_HELD', 'NOT_HELD', 'NOT_HELD']);
  expect(without.gold.ageS).toBe(Number.POSITIVE_INFINITY);
  expect(vector[slot('cnt_user_7d')]).toBeNaN();

  const closed = createStreamState(set!, view(asOf + HOUR, []));
  closed.next(event, vector);
  expect(closed.gold.ageS).toBe(0);
});

// === Helpers ===

function rowsOf(sql: string) {
  return landed.session.rows(sql);
}
