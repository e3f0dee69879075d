import { paymentContent } from '../../../infra/content.ts';
import { loadConfig } from '../../../infra/core/config.ts';
import { openGridDeps } from '../../../infra/grid.ts';
import { BronzeBatch } from '../../../ingestion/bronzeBatch.ts';
import { commitBatch, openBronze, stageBatch } from '../../../ingestion/bronzeTable.ts';
import type { Contract } from '../../../ingestion/contract.ts';
import { labels } from '../../../ingestion/contracts/labels.ts';
import { txFintech } from '../../../ingestion/contracts/txFintech.ts';
import { txGaming } from '../../../ingestion/contracts/txGaming.ts';
import { compileDecoder } from '../../../ingestion/decoder.ts';
import { landedProgress } from '../../../ingestion/progress.ts';
import type { Lake } from '../../../lakehouse/lake.ts';
import type { FeatureContent, GoldEntry } from '../../../transforms/feature.ts';
import { FEATURE_LABELS, FEATURE_SOURCES } from '../../../transforms/features/sources.ts';
import { createGridRunner, type GridDeps } from '../../../transforms/grid/runGrid.ts';
import { lakeHashes } from '../../support/lakeHashes.ts';
import { type Random, randomOf } from '../features/randomStream.ts';

/** Payments on a grid of 10 s, so that windows fill, empty and cross midnight within a test. */

export const GRID_MS = 10_000;

export const gridConfig = loadConfig({
  TIDEMARK_KAFKA: '127.0.0.1:9',
  TIDEMARK_GRID: '10s',
  TIDEMARK_GRID_DELAY: '2s',
  TIDEMARK_GRID_WAIT: '4s',
  TIDEMARK_GRID_KEEP: '2m',
  TIDEMARK_GRID_GRACE: '5s',
  TIDEMARK_GOLD_MAX_AGE: '60s',
});

const entry = (
  name: string,
  rest: Partial<GoldEntry> & Pick<GoldEntry, 'entity' | 'aggregation' | 'window'>,
) => ({ name, number: 'T', kind: 'gold', description: name, ...rest }) satisfies GoldEntry;

const ENTRIES: readonly GoldEntry[] = [
  entry('n_20s', { entity: 'actor', aggregation: 'count', window: '20s' }),
  entry('sum_60s', { entity: 'actor', aggregation: 'sum', of: 'amount_base_minor', window: '60s' }),
  entry('sd_60s', { entity: 'actor', aggregation: 'sd', of: 'amount_base_minor', window: '60s' }),
  entry('users_30s', { entity: 'device', aggregation: 'distinct', of: 'key', window: '30s' }),
  entry('first_60s', { entity: 'device', aggregation: 'seconds_since_first', window: '60s' }),
  entry('fraud_60s', { entity: 'device', aggregation: 'labels', of: 'fraud', window: '60s' }),
];

export function gridContent(more: readonly GoldEntry[] = []) {
  const features: FeatureContent = {
    entries: [...ENTRIES, ...more],
    sources: FEATURE_SOURCES.filter(({ name }) => name !== 'ecommerce'),
    entities: [{ name: 'actor' }, { name: 'device', input: 'device_id' }],
    labels: FEATURE_LABELS,
  };
  return { ...paymentContent, features };
}

export { entry as goldEntry };

/** The grid over a lake; `ends`: what Kafka would say, by default that all has landed. */
export async function openTestGrid(
  lake: Lake,
  {
    logEnds = async () => new Map(),
    content = gridContent(),
  }: Partial<GridDeps> & { content?: ReturnType<typeof gridContent> } = {},
) {
  const deps = { ...(await openGridDeps(lake, content, gridConfig)), logEnds };
  return { deps, run: createGridRunner(deps) };
}

/** Ids of events as contracts want them. */
export function idOf(number: number): string {
  return `E${String(number).padStart(15, '0')}`;
}

export interface Sent {
  readonly arrivedAtMs: number;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Lands records behind those that the partition has, as the ingest process commits them. */
export async function landLive(
  lake: Lake,
  contract: Contract,
  records: readonly Sent[],
  { topicId = 'id-1', partition = 0 }: { topicId?: string; partition?: number } = {},
): Promise<void> {
  const table = await openBronze(lake, contract);
  const { cluster } = gridConfig.kafka;
  const place = { tableId: table.id, cluster, topic: contract.topic };
  const expected = landedProgress(await table.snapshot(), place)
    .get(topicId)
    ?.get(partition);
  await using session = await lake.duckdb.connect();
  using batch = new BronzeBatch({
    decoder: compileDecoder(contract),
    scratchDir: lake.stagingDir,
    startedMs: 0,
  });
  const first = expected ?? 0;
  for (const [index, { arrivedAtMs, value }] of records.entries()) {
    const offset = first + index;
    const good = batch.add({
      partition,
      offset,
      arrivedAtMs,
      key: Buffer.from(String(value[contract.key])),
      value: Buffer.from(JSON.stringify(value)),
    });
    batch.advance(partition, {
      expected,
      from: offset,
      to: offset + 1,
      fetched: 1,
      good: good ? 1 : 0,
      bad: good ? 0 : 1,
    });
  }
  if (batch.deadLetters.length > 0)
    throw new Error(`bad records: ${JSON.stringify(batch.deadLetters[0]?.error)}`);
  const target = { table, contract, session };
  const adds = await stageBatch(target, batch, { topicId, ingestedAtMs: lake.clock.nowMs() });
  const result = await commitBatch(target, { adds, ranges: batch.ranges }, { cluster, topicId });
  if (result.kind !== 'committed') throw new Error('the records did not land');
}

export function transfer(id: string, eventTimeMs: number, more: Readonly<Record<string, unknown>> = {}) {
  return {
    transaction_id: id,
    timestamp: new Date(eventTimeMs).toISOString(),
    account_from: 'ann',
    account_to: 'bob',
    amount: 10,
    currency: 'USD',
    transfer_type: 'sepa',
    country_from: 'DE',
    country_to: 'DE',
    purpose: 'rent',
    ip_address: '10.0.0.1',
    device_id: 'phone',
    ...more,
  };
}

export function purchase(id: string, eventTimeMs: number, more: Readonly<Record<string, unknown>> = {}) {
  return {
    transaction_id: id,
    timestamp: new Date(eventTimeMs).toISOString(),
    player_id: 'ann',
    game_id: 'FortniteClone',
    item_type: 'skin',
    item_name: 'hat',
    amount: 5,
    currency: 'USD',
    payment_method: 'paypal',
    instrument_id: 'card',
    ip_address: '10.0.0.2',
    device_id: 'console',
    session_length_sec: 60,
    ...more,
  };
}

export function label(id: string, availableMs: number, more: Readonly<Record<string, unknown>> = {}) {
  return {
    label_id: `L-${id}`,
    revision: 1,
    event_id: id,
    label: 'fraud',
    fraud_type: 'fraud_takeover',
    source: 'chargeback',
    label_available_at: new Date(availableMs).toISOString(),
    ...more,
  };
}

/** What lands before a moment, the same for the same seed: out of order, late, from several partitions. */
export interface Scene {
  readonly nowMs: number;
  readonly lands: readonly {
    readonly contract: Contract;
    readonly partition: number;
    readonly records: readonly Sent[];
  }[];
}

export function scenes(seed: number, count: number, startMs: number): Scene[] {
  const random = randomOf(seed);
  let made = 0;
  return Array.from({ length: count }, (_, index) => {
    const nowMs = startMs + (index + 1) * GRID_MS;
    const lands = [txFintech, txGaming, labels].flatMap((contract) =>
      [0, 1].map((partition) => {
        const length = contract === labels ? random.below(3) : random.below(5);
        const records = Array.from({ length }, () => {
          made += 1;
          return recordOf(random, { contract, nowMs, made });
        });
        return { contract, partition, records };
      }),
    );
    return { nowMs, lands: lands.filter(({ records }) => records.length > 0) };
  });
}

export async function landScene(lake: Lake, scene: Scene): Promise<void> {
  for (const { contract, partition, records } of scene.lands)
    await landLive(lake, contract, records, { partition });
}

/** Full rows of the grid's tables, by name. */
export async function gridHashes(lake: Lake): Promise<Record<string, string>> {
  const hashes = await lakeHashes(lake);
  return Object.fromEntries(Object.entries(hashes).filter(([name]) => /_(tiles|features)$/.test(name)));
}

function recordOf(
  random: Random,
  { contract, nowMs, made }: { contract: Contract; nowMs: number; made: number },
): Sent {
  const arrivedAtMs = nowMs - random.below(3) * 1_000;
  const eventMs = arrivedAtMs - random.pick(0, 0, 1, 3, 9, 25, 70) * 1_000;
  const who = random.pick('ann', 'bob', 'eve', 'joe');
  const device_id = random.pick('phone', 'console', 'tablet');
  const amount = random.pick(1, 5, 12.34, 5_000);
  if (contract === txFintech)
    return { arrivedAtMs, value: transfer(idOf(made), eventMs, { account_from: who, device_id, amount }) };
  if (contract === txGaming)
    return { arrivedAtMs, value: purchase(idOf(made), eventMs, { player_id: who, device_id, amount }) };
  // Of events that were there, or come later; sometimes taken back.
  const about = idOf(Math.max(1, made + random.pick(-20, -8, -3, 2, 5)));
  const said = {
    label_id: `L-${about}`,
    revision: random.pick(1, 2),
    label: random.pick('fraud', 'fraud', 'legitimate'),
  };
  return {
    arrivedAtMs,
    value: label(about, eventMs, { ...said, fraud_type: said.label === 'fraud' ? 'fraud_takeover' : null }),
  };
}
