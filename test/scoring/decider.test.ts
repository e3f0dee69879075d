import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decisions } from '../../ingestion/contracts/decisions.ts';
import { compileDecoder, type RawRecord } from '../../ingestion/decoder.ts';
import type { DecideItem } from '../../scoring/decideBatch.ts';
import { type Decision, encodeDecision } from '../../scoring/decision.ts';
import type { Lane } from '../../scoring/lane.ts';
import { type LoadedModel, loadModel } from '../../scoring/loadedModel.ts';
import { decodeVector } from '../../scoring/vectorCodec.ts';
import { randomStream } from '../transforms/features/randomStream.ts';
import { amountFiles, fintech, NOW_MS, openDecider, openLane, sets, transfer } from './deciding.ts';

let [model, other]: LoadedModel[] = [];
beforeAll(async () => {
  model = await loadModel(amountFiles(), sets);
  other = await loadModel(
    amountFiles({ version: 'other', thresholds: { review: 0.05, decline: null } }),
    sets,
  );
});
afterAll(async () => {
  await model?.[Symbol.asyncDispose]();
  await other?.[Symbol.asyncDispose]();
});

const itemsOf = (lane: Lane, records: readonly RawRecord[]): DecideItem[] =>
  records.map((record, offset) => ({ lane, offset, record, receivedAtMs: NOW_MS }));
const amounts = (...all: readonly number[]) => all.map((amount) => transfer({ amount }));

async function decideAll(records: readonly RawRecord[], batchSize = 256): Promise<Decision[]> {
  const { decider } = openDecider({ limits: { deadlineMs: Number.POSITIVE_INFINITY } });
  await decider.use({ champion: model });
  const items = itemsOf(openLane(), records);
  const decided: Decision[] = [];
  for (let at = 0; at < items.length; at += batchSize)
    decided.push(...(await decider.decide(items.slice(at, at + batchSize))));
  return decided;
}

describe('a batch', () => {
  test('gives a decision for each record, in order: by the thresholds of the card', async () => {
    const decided = await decideAll([...amounts(10, 5_000, 50_000), transfer({ currency: 'XXX' })]);
    expect(decided.map(({ decision, risk_tier, class: name }) => [decision, risk_tier, name])).toEqual([
      ['approve', 'low', 'regular'],
      ['review', 'high', 'regular'],
      ['decline', 'critical', 'burst'],
      ['review', 'high', undefined],
    ]);
    expect(decided.map(({ decision_id }) => decision_id)).toEqual(
      [0, 1, 2, 3].map((offset) => `tx.fintech:tttttttttttttttttttttt:3:${offset}`),
    );
    expect(decided[0]?.p_fraud).toBeCloseTo(2 / (Math.exp(3) + 2), 5);
  });

  test('each record sees those before it in its batch, never itself', async () => {
    const decided = await decideAll(amounts(10, 10, 10));
    const place = fintech.features.findIndex(({ entry }) => entry.name === 'cnt_user_24h');
    expect(decided.map(({ vector }) => decodeVector(vector ?? '')[place])).toEqual([0, 1, 2]);
  });

  test('bad records join no window', async () => {
    const decided = await decideAll([...amounts(10), transfer({ currency: 'XXX' }), ...amounts(10)]);
    const place = fintech.features.findIndex(({ entry }) => entry.name === 'cnt_user_24h');
    expect(decodeVector(decided[2]?.vector ?? '')[place]).toBe(1);
  });

  test('one by one, in threes and all at once are the same; so is a lane that was folded up to there', async () => {
    const records = randomStream(11, 400, 'fintech').map(({ key, value, arrivedAtMs }) => ({
      key: Buffer.from(key),
      value: Buffer.from(JSON.stringify(value)),
      arrivedAtMs,
    }));
    const whole = await decideAll(records, 400);
    expect(new Set(whole.map(({ reason_code }) => reason_code))).toContain('TOO_LATE');
    expect(await decideAll(records, 1)).toEqual(whole);
    expect(await decideAll(records, 3)).toEqual(whole);
    const lane = openLane();
    for (const record of records.slice(0, 250)) lane.fold(record);
    const { decider } = openDecider();
    await decider.use({ champion: model });
    const rest = itemsOf(lane, records).slice(250);
    const again = await decider.decide(rest.map((item) => ({ ...item, receivedAtMs: NOW_MS })));
    expect(again).toEqual(whole.slice(250));
  });

  test('a record from bronze is decided as its bytes would be', async () => {
    const raw = transfer({ amount: 5_000 });
    const [fromKafka] = await decideAll([raw]);
    const { decider } = openDecider();
    await decider.use({ champion: model });
    const value = JSON.parse(String(raw.value)) as Record<string, unknown>;
    const record = { kind: 'good', key: 'actor-1', value, eventTimeMs: NOW_MS, arrivedAtMs: NOW_MS } as const;
    const item = { lane: openLane(), offset: 0, record, receivedAtMs: NOW_MS };
    expect(await decider.decide([item])).toEqual([fromKafka]);
  });

  test('reasons are for reviews and declines that the model made: what spoke for fraud, and by how much', async () => {
    const [approved, , declined] = await decideAll(amounts(10, 5_000, 50_000));
    expect(approved).not.toHaveProperty('reasons');
    // Against the mean of two leaves each: regular lost 1.5 and burst won 2.
    expect(declined?.reasons).toEqual(['amt_log = 10.8 (+3.50)']);
  });

  test('an empty batch is none', async () => {
    expect(await decideAll([])).toEqual([]);
  });
});

describe('models', () => {
  test('are swapped between two batches; the old one is free when its batch has ended', async () => {
    const gate = Promise.withResolvers<void>();
    const slow = {
      ...(model as LoadedModel),
      predict: async (values: Float32Array) => {
        await gate.promise;
        return await (model as LoadedModel).predict(values);
      },
    };
    const { decider, counters } = openDecider();
    await decider.use({ champion: slow });
    const lane = openLane();
    const [first, second, third] = itemsOf(lane, amounts(10, 10, 10)) as [DecideItem, DecideItem, DecideItem];
    const events: string[] = [];
    const running = decider.decide([first, second]).then((decided) => {
      events.push('decided');
      return decided;
    });
    const freed = decider.use({ champion: other }).then(() => events.push('free'));
    await new Promise(setImmediate);
    gate.resolve();
    await freed;
    expect(events).toEqual(['decided', 'free']);
    const decided = [...(await running), ...(await decider.decide([third]))];
    const { version } = (model as LoadedModel).card;
    expect(decided.map(({ model_version }) => model_version)).toEqual([version, version, 'other']);
    expect(decided[2]?.decision).toBe('review');
    expect(Object.values(counters.unscored).every((count) => count === 0)).toBe(true);
  });

  test('a challenger is heard and decides nothing', async () => {
    const { decider } = openDecider();
    await decider.use({ champion: model, challenger: other });
    const [decision] = await decider.decide(itemsOf(openLane(), amounts(10)));
    expect(decision).toMatchObject({ decision: 'approve', model_version: model?.card.version });
    expect(decision?.shadow).toBe(`other=${decision?.p_fraud}`);
  });

  test('a challenger that fails changes nothing', async () => {
    const broken = {
      ...(other as LoadedModel),
      predict: (values: Float32Array) => (other as LoadedModel).predict(values.subarray(1)),
    };
    const { decider, counters, errors } = openDecider();
    await decider.use({ champion: model, challenger: broken });
    const [decision] = await decider.decide(itemsOf(openLane(), amounts(10)));
    expect(decision).toMatchObject({ decision: 'approve' });
    expect(decision).not.toHaveProperty('shadow');
    expect([counters.shadowFailures, errors.length]).toEqual([1, 1]);
  });

  test('are asked once a batch, whatever the number of lanes', async () => {
    const rows: number[] = [];
    const counting = {
      ...(model as LoadedModel),
      predict: (values: Float32Array) => {
        rows.push(values.length / (model as LoadedModel).card.features.length);
        return (model as LoadedModel).predict(values);
      },
    };
    const { decider } = openDecider();
    await decider.use({ champion: counting });
    const [one, two] = [openLane(), openLane()];
    await decider.decide([
      ...itemsOf(one, amounts(1, 2)),
      ...itemsOf(two, amounts(3)),
      ...itemsOf(one, amounts(4)),
    ]);
    expect(rows).toEqual([4]);
  });
});

describe('on the wire', () => {
  const decoder = compileDecoder(decisions);
  const judge = (decision: Decision) =>
    decoder.judge({
      key: Buffer.from(decision.key),
      value: Buffer.from(encodeDecision(decision)),
      arrivedAtMs: NOW_MS,
    });

  test('every kind of decision is a good record of its contract', async () => {
    const bad: RawRecord = { key: null, value: Buffer.from([0xff]), arrivedAtMs: NOW_MS };
    const decided = await decideAll([
      ...amounts(10, 5_000, 50_000),
      bad,
      transfer({ account_from: 'a "\\ ü 😀' }),
    ]);
    const { decider } = openDecider();
    await decider.use({ champion: model, challenger: other });
    decided.push(...(await decider.decide(itemsOf(openLane(), amounts(10)))));
    for (const decision of decided)
      expect(judge(decision)).toMatchObject({ kind: 'good', rescued: undefined });
    expect(decided[3]).toMatchObject({ key: '', reason_code: 'BAD_RECORD' });
    expect(decided.map((decision) => JSON.parse(encodeDecision(decision)))).toEqual(decided);
  });

  test('at most 0.7 kB with all features and reasons', async () => {
    const sizes = (await decideAll(amounts(10, 5_000, 50_000))).map(
      (decision) => encodeDecision(decision).length,
    );
    expect(Math.max(...sizes)).toBeLessThanOrEqual(700);
  });

  test('what the pattern of the contract can read at once', async () => {
    const [decision] = await decideAll(amounts(5_000));
    const members = Object.keys(JSON.parse(encodeDecision(decision as Decision)));
    expect(members).toEqual(
      decisions.fields.map(({ name }) => name).filter((name) => members.includes(name)),
    );
  });
});
