import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { paymentContent } from '../../infra/content.ts';
import { openFeatures } from '../../infra/features.ts';
import { txFintech } from '../../ingestion/contracts/txFintech.ts';
import { compareFeatures, type ParityReport } from '../../observability/featureParity.ts';
import type { Decision } from '../../scoring/decision.ts';
import { keepFeatureList } from '../../scoring/featureLists.ts';
import { decodeVector, encodeVector, featureListOf } from '../../scoring/vectorCodec.ts';
import { openTempLake, type TempLake } from '../support/tempLake.ts';
import { randomStream } from '../transforms/features/randomStream.ts';
import { decideStream, landDecisions, landStream } from './decidedLake.ts';

const sets = await openFeatures(paymentContent);
const fintech = sets.find(({ source }) => source.name === 'fintech')!;
const sources = [{ set: fintech, topic: txFintech.topic }];

/** Three partitions: a third of each is history from a file; late, too late, repeated and out of order. */
const RECORDS = [1, 2, 3].flatMap((seed) => randomStream(seed, 300, 'fintech'));
const LIVE = RECORDS.filter(({ topicId }) => !topicId.startsWith('file:'));
const DECISIONS = decideStream(fintech, { topic: txFintech.topic }, RECORDS);

let lake: TempLake;
beforeEach(async () => {
  lake = await openTempLake();
});
afterEach(() => lake[Symbol.asyncDispose]());

const compare = (more: { last?: number; oneKeyIn?: number } = {}): Promise<ParityReport> =>
  compareFeatures(lake, { sources, decisions: 'bronze.decisions', last: 10_000, oneKeyIn: 1, ...more });

const sumOf = (report: ParityReport, of: 'compared' | 'equal' | 'mismatch' | 'missing' | 'extra' | 'apart') =>
  report.sources.flatMap(({ features }) => features).reduce((sum, counts) => sum + counts[of], 0);

/** The decisions with the value of one feature of one of them changed. */
function damaged(feature: string, change: (value: number) => number, index = 100): Decision[] {
  const at = fintech.features.findIndex(({ entry }) => entry.name === feature);
  return DECISIONS.map((decision, i) => {
    if (i !== index) return decision;
    const vector = decodeVector(decision.vector ?? '');
    vector[at] = change(vector[at] as number);
    return { ...decision, vector: encodeVector(vector) };
  });
}

function nextFloat(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0] = (bits[0] as number) ^ 1;
  return new Float32Array(bits.buffer)[0] as number;
}

describe('vectors that were logged', () => {
  it('are those of the back-fill, bit by bit; what was too late or not held is apart', async () => {
    await landStream(lake, txFintech, RECORDS);
    await landDecisions(lake, DECISIONS);
    const report = await compare();
    expect(report.examples).toEqual([]);
    expect(report).toMatchObject({
      decisions: 600,
      sampled: 600,
      withoutVector: 0,
      isEqual: true,
      otherLists: [],
    });
    const [{ features, vectors, waiting, unexplained }] = report.sources as [ParityReport['sources'][0]];
    expect({ vectors, waiting, unexplained }).toEqual({ vectors: 600, waiting: 0, unexplained: 0 });
    const late = DECISIONS.filter(({ statuses }) => statuses?.startsWith('L')).length;
    expect(late).toBeGreaterThan(10);
    const byName = new Map(features.map((counts) => [counts.name, counts]));
    expect(byName.get('amt_log')).toMatchObject({ compared: 600, equal: 600, apart: 0 });
    expect(byName.get('cnt_user_24h')).toMatchObject({
      compared: 600 - late,
      equal: 600 - late,
      apart: late,
    });
    expect(byName.get('cnt_user_7d')).toMatchObject({ compared: 0, apart: 600 });
  });

  it.each<[string, 'mismatch' | 'missing' | 'extra', (value: number) => number]>([
    ['cnt_user_24h', 'mismatch', nextFloat],
    ['amt_log', 'mismatch', nextFloat],
    ['cnt_user_24h', 'missing', () => Number.NaN],
  ])('one changed value of %s is a %s, and is named', async (feature, kind, change) => {
    const index = DECISIONS.findIndex(({ statuses }, i) => i >= 100 && statuses?.startsWith('P'));
    await landStream(lake, txFintech, RECORDS);
    await landDecisions(lake, damaged(feature, change, index));
    const report = await compare();
    expect(report.isEqual).toBe(false);
    expect(sumOf(report, kind)).toBe(1);
    expect(sumOf(report, 'compared') - sumOf(report, 'equal')).toBe(1);
    expect(report.examples).toMatchObject([{ decisionId: DECISIONS[index]?.decision_id, feature }]);
  });

  it('with a value where the back-fill has none are extra', async () => {
    const at = fintech.features.findIndex(({ entry }) => entry.name === 'sd_user_24h');
    const index = DECISIONS.findIndex(
      ({ statuses, vector = '' }) => statuses?.startsWith('P') && Number.isNaN(decodeVector(vector)[at]),
    );
    await landStream(lake, txFintech, RECORDS);
    await landDecisions(
      lake,
      damaged('sd_user_24h', () => 1, index),
    );
    const report = await compare();
    expect([sumOf(report, 'extra'), report.isEqual]).toEqual([1, false]);
  });

  it('do not know of a file that landed after the first live record, whatever keys are sampled', async () => {
    const firstOf = (partition: number) =>
      Math.min(...LIVE.flatMap((one) => (one.partition === partition ? [one.arrivedAtMs] : [])));
    const [earliest = 0, , latest = 0] = [1, 2, 3].toSorted((a, b) => firstOf(a) - firstOf(b));
    expect(firstOf(earliest)).toBeLessThan(firstOf(latest) - 1);
    await landStream(lake, txFintech, RECORDS, firstOf(earliest) + 1);
    const last = decideStream(fintech, { topic: txFintech.topic }, LIVE).filter(({ decision_id }) =>
      decision_id.includes(`:${latest}:`),
    );
    await landDecisions(lake, last);
    expect(await compare()).toMatchObject({ sampled: last.length, isEqual: true });
  });

  it('may be fewer: of the newest, and of one key in so many', async () => {
    await landStream(lake, txFintech, RECORDS);
    await landDecisions(lake, DECISIONS);
    const newest = await compare({ last: 50 });
    expect(newest).toMatchObject({ decisions: 50, sampled: 50, isEqual: true });
    const some = await compare({ oneKeyIn: 2 });
    expect(some.isEqual).toBe(true);
    expect(some.sampled).toBeLessThan(600);
    expect(some.sampled).toBeGreaterThan(0);
  });

  it('count once, as they were first decided', async () => {
    await landStream(lake, txFintech, RECORDS);
    await landDecisions(lake, DECISIONS);
    await landDecisions(
      lake,
      damaged('amt_log', () => 7),
      10_000,
    );
    expect(await compare()).toMatchObject({ decisions: 1_200, sampled: 600, isEqual: true });
  });
});

describe('what cannot be compared', () => {
  it('waits when its record has not landed', async () => {
    await landStream(
      lake,
      txFintech,
      RECORDS.filter(({ topicId, offset }) => topicId !== 'topic-1' || offset < 150),
    );
    await landDecisions(lake, DECISIONS);
    const report = await compare();
    expect(report).toMatchObject({
      isEqual: true,
      sources: [{ vectors: 450, waiting: 150, unexplained: 0 }],
    });
  });

  it('is a violation when bronze has no such good record', async () => {
    await landStream(lake, txFintech, RECORDS);
    const [first] = DECISIONS as [Decision];
    const ghost = { ...first, decision_id: first.decision_id.replace(':topic-1:', ':topic-0:') };
    await landStream(lake, txFintech, [{ ...RECORDS[150]!, topicId: 'topic-0', offset: 5 }]);
    await landDecisions(lake, [...DECISIONS, ghost]);
    expect(await compare()).toMatchObject({ isEqual: false, sources: [{ unexplained: 1 }] });
  });

  it('is named when it follows another list of features', async () => {
    await landStream(lake, txFintech, RECORDS);
    const list = featureListOf(fintech);
    const old = {
      ...list,
      features: list.features.map((one) => (one.name === 'amt_log' ? { ...one, hash: 'before' } : one)),
    };
    const hash = await keepFeatureList(lake, old);
    await landDecisions(lake, [
      ...DECISIONS.slice(0, 10).map((decision) => ({ ...decision, feature_list: hash })),
      ...DECISIONS.slice(10, 15).map((decision) => ({ ...decision, feature_list: '00ff00ff00ff00ff' })),
      ...DECISIONS.slice(15),
    ]);
    const report = await compare();
    expect(report).toMatchObject({ isEqual: true, sources: [{ vectors: 585 }] });
    expect(report.otherLists).toEqual(
      [
        { topic: txFintech.topic, list: '00ff00ff00ff00ff', vectors: 5, changed: undefined },
        { topic: txFintech.topic, list: hash, vectors: 10, changed: ['amt_log'] },
      ].toSorted((a, b) => a.list.localeCompare(b.list)),
    );
  });

  it('is a vector of another length', async () => {
    await landStream(lake, txFintech, RECORDS);
    const [first, ...others] = DECISIONS as [Decision, ...Decision[]];
    await landDecisions(lake, [{ ...first, vector: 'AACAPw==' }, ...others]);
    expect(await compare()).toMatchObject({ isEqual: false, sources: [{ unreadable: 1 }] });
  });

  it('is nothing at all before the first decision', async () => {
    expect(await compare()).toMatchObject({ decisions: 0, sampled: 0, sources: [], isEqual: true });
  });
});
