import { afterEach, beforeEach, expect, test } from 'vitest';
import { answeredAppId } from '../../ingestion/answered.ts';
import { BronzeBatch, type LandedRange } from '../../ingestion/bronzeBatch.ts';
import { commitBatch, openBronze } from '../../ingestion/bronzeTable.ts';
import { decisions } from '../../ingestion/contracts/decisions.ts';
import { compileDecoder } from '../../ingestion/decoder.ts';
import type { LakeTable } from '../../lakehouse/table.ts';
import { type Decision, decisionId, type SourcePlace } from '../../scoring/decision.ts';
import { openTempLake, type TempLake, testClock } from '../support/tempLake.ts';
import { ARRIVED_MS } from './records.ts';

/** How far each source partition is decided, as the landing of decisions keeps it. */

let lake: TempLake;
let table: LakeTable;
let next: Map<number, number>;
beforeEach(async () => {
  lake = await openTempLake(testClock(ARRIVED_MS));
  table = await openBronze(lake, decisions);
  next = new Map();
});
afterEach(() => lake[Symbol.asyncDispose]());

const decoder = compileDecoder(decisions);
const place = (offset: number, changes: Partial<SourcePlace> = {}): SourcePlace => ({
  ...{ topic: 'source', topicId: 'id-1', partition: 2, offset },
  ...changes,
});

function decisionOf(source: SourcePlace, changes: Partial<Decision> = {}): Decision {
  return {
    ...{ decision_id: decisionId(source), key: 'anna', decided_at: new Date(ARRIVED_MS).toISOString() },
    ...{ decision: 'approve', risk_tier: 'low' },
    ...changes,
  };
}

/** Lands decisions as one batch of a partition of their topic. */
async function land(values: readonly object[], partition = 2, topicId = 'decisions-1'): Promise<void> {
  const { answers } = decisions;
  using batch = new BronzeBatch({ decoder, scratchDir: lake.stagingDir, startedMs: 0, answers });
  const from = next.get(partition) ?? 0;
  for (const [index, value] of values.entries()) {
    const record = { key: Buffer.from('anna'), value: Buffer.from(JSON.stringify(value)) };
    batch.add({ ...record, partition, offset: from + index, arrivedAtMs: ARRIVED_MS });
  }
  const to = from + values.length;
  const range: LandedRange = {
    expected: next.get(partition),
    ...{ from, to, fetched: values.length, good: values.length, bad: 0 },
  };
  const parts = { adds: [], ranges: new Map([[partition, range]]), answered: batch.answered.next };
  const result = await commitBatch({ table, contract: decisions }, parts, { cluster: 'main', topicId });
  expect(result.kind).toBe('committed');
  next.set(partition, to);
}

async function answered(source: SourcePlace): Promise<number | undefined> {
  return (await table.snapshot()).txns.get(answeredAppId(source));
}

test('the commit that holds decisions says how far each source partition is decided', async () => {
  await land([decisionOf(place(7)), decisionOf(place(8)), decisionOf(place(3, { topic: 'other' }))]);
  await land([decisionOf(place(1, { partition: 5 })), decisionOf(place(40, { topicId: 'id-2' }))], 5);
  expect(await answered(place(0))).toBe(9);
  expect(await answered(place(0, { topic: 'other' }))).toBe(4);
  expect(await answered(place(0, { partition: 5 }))).toBe(2);
  expect(await answered(place(0, { topicId: 'id-2' }))).toBe(41);
});

test('what a zombie repeats never takes it back', async () => {
  await land([decisionOf(place(10)), decisionOf(place(11))]);
  await land([decisionOf(place(4)), decisionOf(place(5))]);
  expect(await answered(place(0))).toBe(12);
  await land([decisionOf(place(11)), decisionOf(place(12)), decisionOf(place(6))]);
  expect(await answered(place(0))).toBe(13);
});

test('bad records and ids that name no place decide nothing', async () => {
  const unlike = { ...decisionOf(place(90)), decision: 'perhaps' };
  const notPlace = decisionOf(place(0), { decision_id: 'a decision' });
  const tooFar = decisionOf(place(0), { decision_id: `source:id-1:2:${'9'.repeat(30)}` });
  await land([decisionOf(place(10)), unlike, notPlace, tooFar]);
  expect(await answered(place(0))).toBe(11);
});

test('progress of the landing itself and of other partitions stays', async () => {
  await land([decisionOf(place(10))]);
  await land([decisionOf(place(3, { partition: 4 }))], 4, 'decisions-1');
  const { txns } = await table.snapshot();
  expect([...txns.values()].toSorted((a, b) => a - b)).toEqual([1, 1, 4, 11]);
});

test('a contract without the option keeps no such progress', async () => {
  using batch = new BronzeBatch({ decoder, scratchDir: lake.stagingDir, startedMs: 0 });
  const record = { key: Buffer.from('anna'), value: Buffer.from(JSON.stringify(decisionOf(place(1)))) };
  batch.add({ ...record, partition: 0, offset: 0, arrivedAtMs: ARRIVED_MS });
  expect(batch.answered.next.size).toBe(0);
});
