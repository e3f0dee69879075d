import { afterEach, beforeEach, expect, test } from 'vitest';
import { paymentContent } from '../../../infra/content.ts';
import { openFeatures } from '../../../infra/features.ts';
import { BronzeBatch } from '../../../ingestion/bronzeBatch.ts';
import { commitBatch, openBronze, stageBatch } from '../../../ingestion/bronzeTable.ts';
import { compileDecoder } from '../../../ingestion/decoder.ts';
import { createLane, type Lane, type LaneRecord } from '../../../scoring/lane.ts';
import { bronzeRecords, foldHistory, type History } from '../../../scoring/runtime/bronzeHistory.ts';
import { encodeVector } from '../../../scoring/vectorCodec.ts';
import { FEATURE_SETTINGS } from '../../../transforms/feature.ts';
import { openTempLake, type TempLake, testClock } from '../../support/tempLake.ts';
import {
  type Domain,
  randomOf,
  randomStream,
  type StreamRecord,
} from '../../transforms/features/randomStream.ts';

/** Windows that are restored from bronze, held against windows that nobody ever lost. */

const DOMAINS: readonly Domain[] = ['gaming', 'fintech', 'ecommerce'];
const PARTITIONS = 6;
/** A small ring is full all the time. */
const SETTINGS = { ...FEATURE_SETTINGS, ringRecords: 24 };
const LIVE = 'topic-1';

let lake: TempLake;
beforeEach(async () => {
  lake = await openTempLake(testClock(Date.UTC(2027, 0, 1)));
});
afterEach(() => lake[Symbol.asyncDispose]());

test.each(DOMAINS)(
  '%s: restored at any place, the next vectors are the same in every bit',
  async (domain) => {
    const streams = Array.from({ length: PARTITIONS }, (_, partition) =>
      randomStream(partition, 300, domain),
    );
    const history = await landed(domain, streams.flat());
    const random = randomOf(9);
    for (let round = 0; round < 4; round += 1) {
      const below = new Map(streams.map((_, partition) => [partition, random.below(200)]));
      const lanes = streams.map((_, partition) => laneOf(history, partition));
      await foldHistory(history, { below, isOver: () => false }, (partition, record) =>
        lanes[partition]?.fold(record),
      );
      for (const [partition, records] of streams.entries()) {
        const isBefore = ({ topicId, offset }: StreamRecord) =>
          topicId !== LIVE || offset < (below.get(partition) ?? 0);
        const calm = laneOf(history, partition);
        for (const one of records.filter(isBefore)) calm.next(one);
        const rest = records.filter((one) => !isBefore(one));
        expect(vectorsOf(lanes[partition] as Lane, rest)).toEqual(vectorsOf(calm, rest));
      }
    }
  },
);

test.each(DOMAINS)('%s: a record from bronze gives the vector of the record from Kafka', async (domain) => {
  const records = randomStream(2, 300, domain);
  const live = records.filter(({ topicId }) => topicId === LIVE);
  const history = await landed(domain, records, [17, 40]);
  const calm = laneOf(history, 2);
  const fromBronze = laneOf(history, 2);
  const range = { partition: 2, from: 10, to: 150 };
  const found: [number, string][] = [];
  for await (const { offset, record } of bronzeRecords(history, range)) {
    found.push([
      offset,
      'kind' in record && record.kind === 'bad' ? `bad ${record.key}` : seen(fromBronze, record),
    ]);
  }
  const wanted = live
    .slice(range.from, range.to)
    .map((one): [number, string] => [
      one.offset,
      [17, 40].includes(one.offset) ? `bad ${one.key}` : seen(calm, rawOf(one)),
    ]);
  expect(found).toEqual(wanted);
});

test('a file that landed after the first live record is in no window, an earlier one is', async () => {
  const records = randomStream(1, 90, 'fintech');
  const firstLiveMs = Math.min(
    ...records.filter(({ topicId }) => topicId === LIVE).map((one) => one.arrivedAtMs),
  );
  const folded = async (fileLandedAtMs: number) => {
    const history = await landed('fintech', records, [], fileLandedAtMs);
    let count = 0;
    await foldHistory(history, { below: new Map([[1, 0]]), isOver: () => false }, () => {
      count += 1;
    });
    return count;
  };
  expect(await folded(firstLiveMs - 1)).toBeGreaterThan(0);
  await lake[Symbol.asyncDispose]();
  lake = await openTempLake(testClock(Date.UTC(2027, 0, 1)));
  expect(await folded(firstLiveMs)).toBe(0);
});

test('an assignment that is over ends the reading', async () => {
  const history = await landed('fintech', randomStream(1, 90, 'fintech'));
  let count = 0;
  await foldHistory(history, { below: new Map([[1, 50]]), isOver: () => true }, () => {
    count += 1;
  });
  expect(count).toBe(0);
});

// === Helpers ===

/** Records as landing leaves them; those at `bad` offsets of the live topic are no JSON. */
async function landed(
  domain: Domain,
  records: readonly StreamRecord[],
  bad: readonly number[] = [],
  fileLandedAtMs = 0,
): Promise<History> {
  const set = (await openFeatures(paymentContent, SETTINGS)).find(({ source }) => source.name === domain);
  const contract = paymentContent.contracts.find(({ table }) => table === set?.source.table);
  if (set === undefined || contract === undefined) throw new Error(`no features of ${domain}`);
  const table = await openBronze(lake, contract);
  await using session = await lake.duckdb.connect();
  for (const [topicId, own] of Map.groupBy(records, (one) => one.topicId)) {
    using batch = new BronzeBatch({
      decoder: compileDecoder(contract),
      scratchDir: lake.stagingDir,
      startedMs: 0,
    });
    for (const one of own) {
      const isBad = topicId === LIVE && bad.includes(one.offset);
      const value = isBad ? Buffer.from('{') : rawOf(one).value;
      batch.add({ ...rawOf(one), value, partition: one.partition, offset: one.offset });
    }
    const ingestedAtMs = topicId === LIVE ? Date.UTC(2027, 0, 1) : fileLandedAtMs;
    const adds = await stageBatch({ table, contract, session }, batch, { topicId, ingestedAtMs });
    await commitBatch({ table, contract }, { adds, ranges: new Map() }, { cluster: 'main', topicId });
  }
  return { lake, set, contract, topicId: LIVE, snapshot: await table.snapshot() };
}

function rawOf({ key, value, arrivedAtMs }: StreamRecord) {
  return { key: Buffer.from(key), value: Buffer.from(JSON.stringify(value)), arrivedAtMs };
}

function laneOf({ set, contract }: History, partition: number): Lane {
  return createLane({ place: { topic: contract.topic, topicId: LIVE, partition }, set, contract });
}

function vectorsOf(lane: Lane, records: readonly StreamRecord[]): string[] {
  return records.map((one) => seen(lane, rawOf(one)));
}

function seen(lane: Lane, record: LaneRecord): string {
  const judged = lane.judge(record);
  if ('kind' in judged && judged.kind === 'bad') throw new Error('a bad record');
  const statuses = lane.next(judged as Parameters<Lane['next']>[0]);
  return `${statuses} ${encodeVector(lane.vector)}`;
}
