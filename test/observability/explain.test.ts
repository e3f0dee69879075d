import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decisions } from '../../ingestion/contracts/decisions.ts';
import { txFintech } from '../../ingestion/contracts/txFintech.ts';
import { openTable } from '../../lakehouse/table.ts';
import { findByEvent } from '../../observability/decisionLookup.ts';
import { explainDecision } from '../../observability/explainDecision.ts';
import { explainJson, explainLines, explainRows } from '../../observability/explainReport.ts';
import type { Decision } from '../../scoring/decision.ts';
import { loadModel } from '../../scoring/loadedModel.ts';
import { openRegistry } from '../../scoring/registry.ts';
import { claimStart } from '../../scoring/starts.ts';
import { decodeVector } from '../../scoring/vectorCodec.ts';
import {
  amountFiles,
  fintech,
  NOW_MS,
  openDecider,
  openLane,
  PLACE,
  sets,
  transfer,
} from '../scoring/deciding.ts';
import { commitTo, openTempLake, type TempLake } from '../support/tempLake.ts';
import { landDecisions, landStream } from './decidedLake.ts';

const EVENT = 'T100000000000001';
const FILES = amountFiles();
const IDS = [0, 1, 2].map((offset) => `${PLACE.topic}:${PLACE.topicId}:${PLACE.partition}:${offset}`);
const tables = { decisions: decisions.table, sources: new Map([[txFintech.topic, txFintech.table]]) };

let lake: TempLake;
let decided: Decision[];
beforeEach(async () => {
  lake = await openTempLake();
  await using model = await loadModel(FILES, sets);
  const { decider } = openDecider();
  await decider.use({ champion: model });
  const raw = [
    transfer(),
    transfer({ amount: 50_000, transaction_id: EVENT }),
    transfer({ currency: 'XXX' }),
  ];
  const lane = openLane();
  decided = await decider.decide(
    raw.map((record, offset) => ({ lane, offset, record, receivedAtMs: NOW_MS })),
  );
});
afterEach(() => lake[Symbol.asyncDispose]());

async function landAll(given: readonly Decision[] = decided): Promise<void> {
  await landDecisions(lake, given);
  const values = [transfer(), transfer({ amount: 50_000, transaction_id: EVENT })];
  await landStream(
    lake,
    txFintech,
    values.map(({ key, value }, offset) => ({
      ...PLACE,
      offset,
      key: String(key),
      value: JSON.parse(String(value)),
      eventTimeMs: NOW_MS,
      arrivedAtMs: NOW_MS,
    })),
  );
}

const explain = (id: string) => explainDecision({ lake, tables, sets }, id);

describe('a decision of a model', () => {
  it('is explained whole: record, vector with statuses, classes, contributions, model', async () => {
    await openRegistry(lake).register(FILES);
    await landAll();
    const found = await explain(IDS[1] ?? '');
    const { model, vector } = found;
    expect(found.decision.row).toMatchObject({ decision: 'decline', event_id: EVENT });
    expect(found.record).toMatchObject({ amount: '50000.00', _arrived_at: '2026-01-15T12:00:00.000Z' });
    expect(model?.pFraud).toBeCloseTo(Number(decided[1]?.p_fraud), 9);
    expect(vector?.features?.map(({ name }) => name)).toEqual(
      fintech.features.map(({ entry }) => entry.name),
    );
    expect(vector?.features?.map(({ value }) => value)).toEqual([...decodeVector(decided[1]?.vector ?? '')]);
    expect(vector?.statuses.map(({ about }) => about)).toEqual(['windows', 'actor', 'merchant', 'device']);
    const named = (name: string) => vector?.features?.find((one) => one.name === name);
    expect(named('amt_log')).toMatchObject({ kind: 'event', standsOn: [] });
    expect(named('cnt_user_1h')).toMatchObject({ value: 1, standsOn: ['windows'] });
    expect(named('velocity_ratio_30d')?.standsOn).toEqual(['windows', 'actor']);
    const text = explainLines(found).join('\n');
    expect(text).toContain('review from 0.5 on, decline from 0.9 on');
    expect(decided[1]?.reasons?.[0]).toMatch(/^amt_log = /);
    expect(text).toContain(`reasons     ${decided[1]?.reasons?.[0]}`);
    expect(text).toContain('as it was logged');
    expect(text).toMatch(/classes {5}burst 0\.\d+, /);
    expect(explainRows(found).rows[0]?.[0]).toBe('amt_log');
    expect(JSON.stringify(explainJson(found))).toContain('"agrees":true');
  });

  it('says so when the model gives another probability than was logged', async () => {
    await openRegistry(lake).register(FILES);
    await landAll(decided.map((decision) => ({ ...decision, p_fraud: 0.123 })));
    const found = await explain(IDS[1] ?? '');
    expect(explainLines(found).join('\n')).toContain('but 0.123 was logged: THEY DIFFER');
    expect(explainJson(found)).toMatchObject({ model: { agrees: false } });
  });

  it('is explained without the model when its version is gone, and says that it is', async () => {
    await landAll();
    const found = await explain(IDS[1] ?? '');
    expect(found.model).toBeUndefined();
    expect(found.modelProblem).toContain(FILES.card.version);
    expect(explainLines(found).join('\n')).toContain('cannot be asked again');
    expect(found.vector?.features).toHaveLength(fintech.features.length);
  });

  it('has values without names when its list of features is not kept', async () => {
    await openRegistry(lake).register(FILES);
    await landAll(decided.map((decision) => ({ ...decision, feature_list: '00ff00ff00ff00ff' })));
    const found = await explain(IDS[1] ?? '');
    expect(found.vector?.features).toBeUndefined();
    expect(found.vector?.problem).toContain('00ff00ff00ff00ff is not kept');
    expect(explainLines(found).join('\n')).toContain('cannot be asked again');
  });

  it('is the first of those that were published', async () => {
    await landAll();
    await landDecisions(
      lake,
      decided.map((decision) => ({ ...decision, decision: 'approve' as const })),
      1_000,
    );
    const found = await explain(IDS[1] ?? '');
    expect(found.decision).toMatchObject({ times: 2, row: { decision: 'decline' } });
    expect(explainLines(found).join('\n')).toContain('said 2 times, the first one counts');
  });

  it('is found by its event', async () => {
    await landAll();
    expect(await findByEvent(lake, tables, EVENT)).toEqual([IDS[1]]);
    await expect(findByEvent(lake, tables, 'T900000000000000')).rejects.toThrow(
      'no decision about an event T900000000000000',
    );
  });
});

it('explains a bad record whose content has not landed', async () => {
  await landAll();
  const found = await explain(IDS[2] ?? '');
  expect(found).toMatchObject({ record: undefined, vector: undefined, model: undefined });
  const text = explainLines(found).join('\n');
  expect(text).toContain('because     BAD_RECORD');
  expect(text).toContain('it has not landed yet');
  expect(text).toContain('decided without one');
});

describe('an id without a decision', () => {
  it.each([
    ['nonsense', 'DECISION_ID_INVALID', 'no id of a decision'],
    ['nowhere:x:0:1', 'DECISION_NOT_FOUND', 'no topic is called nowhere'],
    [`${PLACE.topic}:other:3:1`, 'DECISION_NOT_FOUND', 'its partition is not scored'],
    [`${PLACE.topic}:begun:0:4`, 'DECISION_NOT_FOUND', 'before offset 5'],
    [`${PLACE.topic}:begun:0:7`, 'DECISION_NOT_FOUND', 'its offset may hold no record'],
    [`${PLACE.topic}:begun:0:8`, 'DECISION_NOT_FOUND', 'have landed up to offset 8'],
  ])('%s: %s', async (id, code, message) => {
    await landAll();
    await claimStart(lake, { topic: PLACE.topic, topicId: 'begun', partition: 0 }, 5);
    const table = await openTable(lake, decisions.table);
    const appId = `score:${PLACE.topic}@begun:0`;
    await commitTo(table!, { txns: [{ appId, expected: undefined, version: 8 }] });
    await expect(explain(id)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });
});
