import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../infra/core/clock.ts';
import type { SqlSession } from '../../infra/core/duckdb.ts';
import type { KafkaProducer, TopicState } from '../../infra/core/kafka.ts';
import { commitBatch, openBronze } from '../../ingestion/bronzeTable.ts';
import { compileDecoder } from '../../ingestion/decoder.ts';
import { landedProgress } from '../../ingestion/progress.ts';
import { type LaneDeps, TopicLane } from '../../ingestion/topicLane.ts';
import type { LakeTable } from '../../lakehouse/table.ts';
import { openTempLake, silentLog, type TempLake, testClock } from '../support/tempLake.ts';
import { ARRIVED_MS, PARCELS, withFields } from './records.ts';

/** A lane over a real table and a log of one partition that the test moves. */

const contract = { ...PARCELS, partitions: 1 };
const TOPIC_ID = 'id-1';

let lake: TempLake;
let session: SqlSession;
let table: LakeTable;
let log: { logStart: number; logEnd: number };
let failures: unknown[];
beforeEach(async () => {
  lake = await openTempLake(testClock(ARRIVED_MS));
  session = await lake.duckdb.connect();
  table = await openBronze(lake, contract);
  log = { logStart: 0, logEnd: 100 };
  failures = [];
});
afterEach(async () => {
  await session[Symbol.asyncDispose]();
  await lake[Symbol.asyncDispose]();
});

const producer: KafkaProducer = { send: async () => [], [Symbol.asyncDispose]: async () => {} };

function laneOf(changes: Partial<LaneDeps> = {}): TopicLane {
  return new TopicLane({
    contract,
    decoder: compileDecoder(contract),
    table,
    cluster: 'test',
    topicId: TOPIC_ID,
    topics: { read: async () => [stateNow()], [Symbol.asyncDispose]: async () => {} },
    producer,
    group: { seek: () => {}, commitOffsets: async () => {} },
    withSession: (use) => use(session),
    limits: { maxBytes: 1e6, maxRows: 1e6, intervalMs: 1e6 },
    scratchDir: lake.stagingDir,
    clock: systemClock,
    log: silentLog,
    crashPoint: () => {},
    onFailure: (error) => failures.push(error),
    ...changes,
  });
}

function stateNow(): TopicState {
  return { topic: contract.topic, topicId: TOPIC_ID, partitions: [{ partition: 0, ...log }] };
}

/** A fetch of the good records in [from, to). */
function fetchOf(from: number, to: number) {
  const records = Array.from({ length: to - from }, (_, index) => ({
    offset: String(from + index),
    timestamp: String(ARRIVED_MS),
    key: Buffer.from('anna'),
    value: Buffer.from(withFields({ serial: from + index })),
  }));
  const place = { topic: contract.topic, partition: 0, fetchedOffset: from, nextOffset: to };
  return { ...place, highWatermark: log.logEnd, records };
}

const noHeartbeat = async () => {};

async function landedTo(): Promise<number | undefined> {
  const place = { tableId: table.id, cluster: 'test', topic: contract.topic };
  return landedProgress(await table.snapshot(), place)
    .get(TOPIC_ID)
    ?.get(0);
}

/** What another process lands: its offsets, without rows. */
async function otherLands(expected: number | undefined, to: number): Promise<void> {
  const range = { expected, from: expected ?? 0, to, fetched: 0, good: 0, bad: 0 };
  const source = { cluster: 'test', topicId: TOPIC_ID };
  await commitBatch({ table, contract }, { adds: [], ranges: new Map([[0, range]]) }, source);
}

test('what the owner before us landed of records that came meanwhile is no truncated log', async () => {
  let reading: Promise<unknown> | undefined;
  const readWhileOtherLands = async () => {
    const state = stateNow();
    log = { logStart: 0, logEnd: 150 };
    if ((await landedTo()) === undefined) await otherLands(undefined, 150);
    return [state];
  };
  const lane = laneOf({
    topics: {
      read: () => {
        const answer = readWhileOtherLands();
        reading = answer;
        return answer;
      },
      [Symbol.asyncDispose]: async () => {},
    },
    table: {
      ...table,
      snapshot: async () => {
        // Who asked for the log before has its answer by now: the table is then ahead of it.
        await reading;
        return await table.snapshot();
      },
    },
  });
  lane.assign([0]);
  await lane.drain();
  expect(failures).toEqual([]);
});

test('records that are in memory land although retention deleted them meanwhile', async () => {
  const lane = laneOf();
  lane.assign([0]);
  expect(await lane.accept(fetchOf(0, 10), noHeartbeat)).toBe(true);
  lane.seal();
  expect(await lane.accept(fetchOf(10, 30), noHeartbeat)).toBe(true);
  log = { logStart: 20, logEnd: 100 };
  await lane.drain();
  expect(failures).toEqual([]);
  expect(await landedTo()).toBe(30);
});

test('a batch that somebody else has landed is dropped, and reading goes on behind it', async () => {
  const seeks: number[] = [];
  const group = {
    seek: (_t: string, _p: number, offset: number) => seeks.push(offset),
    commitOffsets: async () => {},
  };
  const lane = laneOf({ group });
  lane.assign([0]);
  await lane.accept(fetchOf(0, 10), noHeartbeat);
  await otherLands(undefined, 40);
  lane.seal();
  await expect.poll(() => seeks.at(-1)).toBe(40);
  expect(await lane.accept(fetchOf(10, 20), noHeartbeat)).toBe(false);
  expect(await lane.accept(fetchOf(40, 50), noHeartbeat)).toBe(true);
  await lane.drain();
  expect(await landedTo()).toBe(50);
  expect(failures).toEqual([]);
});

test('what is accepted lands: an order to drain ends accepting', async () => {
  const lane = laneOf();
  lane.assign([0]);
  await lane.accept(fetchOf(0, 10), noHeartbeat);
  const drained = lane.drain();
  expect(await lane.accept(fetchOf(10, 20), noHeartbeat)).toBe(false);
  await drained;
  expect(await landedTo()).toBe(10);
});
