import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RawRecord } from '../../ingestion/decoder.ts';
import type { DecideItem, DeciderParts, Models } from '../../scoring/decideBatch.ts';
import type { ReasonCode } from '../../scoring/decision.ts';
import { createLane, type Lane } from '../../scoring/lane.ts';
import { type LoadedModel, loadModel } from '../../scoring/loadedModel.ts';
import type { ModelFiles } from '../../scoring/modelCard.ts';
import { openOnnxModel } from '../../scoring/onnxModel.ts';
import { onnxOfTrees } from '../../scoring/training/onnxExport.ts';
import { encodeVector } from '../../scoring/vectorCodec.ts';
import type { GoldView } from '../../transforms/goldView.ts';
import {
  AMOUNT,
  amountFiles,
  BY_AMOUNT,
  contractOf,
  fintech,
  martsOf,
  NOW_MS,
  openDecider,
  openLane,
  PLACE,
  policy,
  rowOf,
  SAMPLES,
  sets,
  transfer,
} from './deciding.ts';
import { filesOf, sha256, stump, treesJson } from './modelFiles.ts';

/** Whatever breaks: a review with its reason, counted, and never an approve. */
let good: LoadedModel;
beforeAll(async () => {
  good = await loadModel(amountFiles(), sets);
});
afterAll(async () => await good[Symbol.asyncDispose]());

interface Fault {
  readonly models?: () => Promise<Models>;
  readonly record?: Partial<RawRecord>;
  readonly lane?: () => Lane;
  readonly item?: Partial<DecideItem>;
  readonly parts?: Partial<DeciderParts>;
}

async function decideOne({ models, record, lane, item, parts }: Fault) {
  const { decider, counters, errors } = openDecider(parts);
  await decider.use(models === undefined ? { champion: good } : await models());
  const given = { lane: lane?.() ?? openLane(), offset: 7, receivedAtMs: NOW_MS };
  const [decision] = await decider.decide([{ ...given, record: { ...transfer(), ...record }, ...item }]);
  return { decision, counters, errors };
}

/** As an operator meets it: what does not load is not used. */
const refused = (why: RegExp, files: () => ModelFiles) => async (): Promise<Models> => {
  await expect(loadModel(files(), sets)).rejects.toMatchObject({
    name: 'TidemarkError',
    message: expect.stringMatching(why),
  });
  return {};
};
/** A model that answers with what another file says. */
const answering = (onnx: Uint8Array, shape: { featureCount: number; classCount: number }) => async () => {
  const other = await openOnnxModel(onnx, shape);
  return { champion: { ...good, predict: (values: Float32Array) => other.predict(values) } };
};
const json = (value: unknown) => ({ value: Buffer.from(JSON.stringify(value)) });
const changed = (fields: object) => ({ value: transfer({ ...fields }).value });
const withGold = (gold: GoldView | undefined) => () => createLaneWith(gold);
const createLaneWith = (gold: GoldView | undefined): Lane =>
  createLane({ place: PLACE, set: fintech, contract: contractOf(fintech), gold });
/** A lane of a later version, which knows a status that we do not. */
const ofTheFuture = (): Lane => ({ ...openLane(), next: () => 'P?' });
const SHAPE = { featureCount: BY_AMOUNT.featureCount, classCount: 3 };
const nan: typeof BY_AMOUNT = { ...BY_AMOUNT, trees: [stump(0, AMOUNT, 3, [Number.NaN, Number.NaN])] };
/** What comes out without the softmax: the margins as they are. `Flatten` is as long, with the same attribute. */
const sayingAlways = (...baseMargins: readonly number[]) => {
  // Each class needs a tree: onnxruntime forgets the base of one without leaves.
  const trees = baseMargins.map((_, classIndex) => stump(classIndex, 0, 0, [0, 0]));
  const bytes = Buffer.from(onnxOfTrees({ ...BY_AMOUNT, baseMargins, trees }));
  return Buffer.from(bytes.toString('latin1').replace('Softmax', 'Flatten'), 'latin1');
};
const otherCard = (changes: object): ModelFiles => {
  const files = amountFiles();
  return { ...files, card: { ...files.card, ...changes } };
};
const reordered = (onnx: Uint8Array): ModelFiles => ({
  ...otherCard({ onnxHash: sha256(onnx) }),
  onnx,
});

const FAULTS: readonly (readonly [string, ReasonCode, Fault])[] = [
  // the record
  ['no value', 'BAD_RECORD', { record: { value: null } }],
  ['no bytes', 'BAD_RECORD', { record: { value: Buffer.alloc(0) } }],
  ['not JSON', 'BAD_RECORD', { record: { value: Buffer.from('{"amount":') } }],
  ['not UTF-8', 'BAD_RECORD', { record: { value: Buffer.from([0x7b, 0xff, 0x7d]) } }],
  ['JSON of something else', 'BAD_RECORD', { record: json([1, 2]) }],
  ['a megabyte and more', 'BAD_RECORD', { record: { value: Buffer.alloc(1_048_577, ' ') } }],
  ['a missing field', 'BAD_RECORD', { record: changed({ amount: undefined }) }],
  ['a wrong type', 'BAD_RECORD', { record: changed({ amount: '10' }) }],
  ['a broken rule', 'BAD_RECORD', { record: changed({ currency: 'XXX' }) }],
  ['no key', 'BAD_RECORD', { record: { key: null } }],
  ["another one's key", 'BAD_RECORD', { record: { key: Buffer.from('actor-9') } }],
  ['a key that is no text', 'BAD_RECORD', { record: { key: Buffer.from([0xff, 0xfe]) } }],
  ['no arrival', 'BAD_RECORD', { record: { arrivedAtMs: -1 } }],
  ['from the future', 'BAD_RECORD', { record: { arrivedAtMs: NOW_MS - 300_001 } }],
  ['too old', 'BAD_RECORD', { record: { arrivedAtMs: NOW_MS + 91 * 86_400_000 } }],
  ['known as bad from bronze', 'BAD_RECORD', { item: { record: { kind: 'bad', key: 'actor-1' } } }],
  // its vector
  ['later than L', 'TOO_LATE', { record: { arrivedAtMs: NOW_MS + 3_600_001 } }],
  ['no marts at all', 'GOLD_MISSING', { lane: withGold(undefined) }],
  ['marts before the first closing', 'GOLD_MISSING', { lane: withGold(martsOf('NOT_FOUND', -Infinity)) }],
  ['gold does not reach back', 'NOT_HELD', { lane: withGold(martsOf('NOT_HELD')) }],
  [
    'gold outside of its maximum age',
    'OUTSIDE_MAX_AGE',
    { lane: withGold(martsOf('OUTSIDE_MAX_AGE', NOW_MS - 7 * 3_600_000)) },
  ],
  [
    'stale gold where the policy says so',
    'STALE',
    {
      lane: withGold(martsOf('STALE', NOW_MS - 7_200_000)),
      parts: { policy: { ...policy, onStatus: { ...policy.onStatus, STALE: 'review' } } },
    },
  ],
  ['a status that nobody knows', 'FEATURES_NOT_COMPUTABLE', { lane: ofTheFuture }],
  // the model
  ['no model', 'NO_MODEL', { models: async () => ({}) }],
  ['only a challenger', 'NO_MODEL', { models: async () => ({ challenger: good }) }],
  [
    'a damaged ONNX file',
    'NO_MODEL',
    { models: refused(/ONNX model does not load/, () => reordered(new Uint8Array(900).fill(7))) },
  ],
  [
    'another file than that of the card',
    'NO_MODEL',
    {
      models: refused(/model.onnx is not the file of its card/, () => ({
        ...amountFiles(),
        onnx: onnxOfTrees(nan),
      })),
    },
  ],
  [
    'a file of another width',
    'NO_MODEL',
    {
      models: refused(/ONNX model does not load or does not fit/, () =>
        reordered(onnxOfTrees({ ...BY_AMOUNT, featureCount: 2 })),
      ),
    },
  ],
  [
    'a file with more classes',
    'NO_MODEL',
    {
      models: refused(/no 3 probabilities a row/, () =>
        reordered(onnxOfTrees({ ...BY_AMOUNT, baseMargins: [0, 0, 0, 0] })),
      ),
    },
  ],
  [
    'a feature that was defined otherwise',
    'NO_MODEL',
    {
      models: refused(/amt_log of fintech \(0123456789abcdef\)/, () => {
        const { features } = amountFiles().card;
        const [first, ...rest] = features;
        return otherCard({ features: [{ ...first, hashes: { fintech: '0123456789abcdef' } }, ...rest] });
      }),
    },
  ],
  [
    'a source that is not here',
    'NO_MODEL',
    {
      models: refused(/of lottery/, () => {
        const { features } = amountFiles().card;
        return otherCard({
          features: features.map((f) => ({ ...f, hashes: { ...f.hashes, lottery: '0123456789abcdef' } })),
        });
      }),
    },
  ],
  [
    'sample rows that are not reproduced',
    'NO_MODEL',
    {
      models: refused(/onnxruntime gives .* for 0.9/, () =>
        amountFiles({ samples: SAMPLES.map((row) => ({ ...row, probabilities: [0.9, 0.05, 0.05] })) }),
      ),
    },
  ],
  ['no sample rows', 'NO_MODEL', { models: refused(/no sample rows/, () => amountFiles({ samples: [] })) }],
  [
    'sample rows of another width',
    'NO_MODEL',
    {
      models: refused(/other than \d+ features/, () =>
        otherCard({ sampleRows: [{ vector: encodeVector(rowOf({}).slice(1)), probabilities: [1, 0, 0] }] }),
      ),
    },
  ],
  [
    'trees of another model beside the ONNX file',
    'NO_MODEL',
    {
      models: refused(/trees.json gives/, () => {
        const trees = treesJson({ ...BY_AMOUNT, baseMargins: [1, 0, 0] });
        return { ...otherCard({ treesHash: sha256(trees) }), trees };
      }),
    },
  ],
  [
    'a threshold that is no number',
    'NO_MODEL',
    {
      models: refused(/thresholds are NaN/, () =>
        amountFiles({ thresholds: { review: Number.NaN, decline: null } }),
      ),
    },
  ],
  [
    'a source that the model has not learnt',
    'FEATURES_NOT_COMPUTABLE',
    {
      models: async () => {
        const features = amountFiles().card.features.map(({ name, hashes }) => {
          const { fintech: _, ...others } = hashes;
          return { name, hashes: others };
        });
        const { card } = filesOf({
          ...amountFiles().card,
          features,
          trees: treesJson(BY_AMOUNT),
          samples: SAMPLES,
        });
        return { champion: await loadModel({ ...amountFiles(), card }, sets) };
      },
    },
  ],
  [
    'rows that the file does not take',
    'MODEL_FAILED',
    { models: answering(onnxOfTrees({ ...BY_AMOUNT, featureCount: 2 }), { featureCount: 2, classCount: 3 }) },
  ],
  ['a NaN comes out', 'MODEL_OUTPUT_INVALID', { models: answering(onnxOfTrees(nan), SHAPE) }],
  [
    'more than 1 in all comes out',
    'MODEL_OUTPUT_INVALID',
    { models: answering(sayingAlways(0.5, 0.5, 0.5), SHAPE) },
  ],
  [
    'less than 1 in all comes out',
    'MODEL_OUTPUT_INVALID',
    { models: answering(sayingAlways(0.9, 0, 0), SHAPE) },
  ],
  [
    'less than nothing comes out',
    'MODEL_OUTPUT_INVALID',
    { models: answering(sayingAlways(0.5, 0.6, -0.1), SHAPE) },
  ],
  [
    'more than certainty comes out',
    'MODEL_OUTPUT_INVALID',
    { models: answering(sayingAlways(1.5, 0, -0.5), SHAPE) },
  ],
  [
    'a calibration beyond certainty',
    'MODEL_OUTPUT_INVALID',
    {
      models: async () => ({
        champion: await loadModel(
          amountFiles({ calibration: { scores: [0, 1], probabilities: [2, 2] } }),
          sets,
        ),
      }),
    },
  ],
  [
    'a calibration of nothing',
    'MODEL_OUTPUT_INVALID',
    {
      models: async () => ({
        champion: await loadModel(amountFiles({ calibration: { scores: [], probabilities: [] } }), sets),
      }),
    },
  ],
  // this process
  ['the queue is full', 'QUEUE_FULL', { item: { isShed: true } }],
  ['too long in the queue', 'DEADLINE', { item: { receivedAtMs: NOW_MS - 1_001 } }],
  ['the model took too long', 'DEADLINE', { parts: { clock: { nowMs: slowClock() } } }],
];

function slowClock(): () => number {
  let nowMs = NOW_MS - 1_000;
  return () => {
    nowMs += 1_001;
    return nowMs;
  };
}

describe('never an approve', () => {
  test.each(FAULTS)('%s: %s', async (_, reason, given) => {
    const { decision, counters, errors } = await decideOne(given);
    expect(decision).toMatchObject({ decision: 'review', risk_tier: 'high', reason_code: reason });
    expect(decision).not.toHaveProperty('p_fraud');
    expect(decision).not.toHaveProperty('class');
    expect(counters.unscored[reason]).toBe(1);
    expect(counters.decisions).toEqual({ approve: 0, review: 1, decline: 0 });
    expect(errors).toHaveLength(reason === 'MODEL_FAILED' ? 1 : 0);
  });

  test('the same record with nothing broken is approved: it is the faults that make reviews', async () => {
    const { decision, counters } = await decideOne({});
    expect(decision).toMatchObject({ decision: 'approve', risk_tier: 'low', class: 'regular' });
    expect(decision).not.toHaveProperty('reason_code');
    expect(Object.values(counters.unscored).every((count) => count === 0)).toBe(true);
  });

  test('who is late already is not asked about: that is how the process catches up', async () => {
    const { counters } = await decideOne({ item: { receivedAtMs: NOW_MS - 1_001 } });
    expect(counters.scoredRows).toBe(0);
    expect((await decideOne({ item: { receivedAtMs: NOW_MS - 1_000 } })).counters.scoredRows).toBe(1);
  });

  test('stale gold is scored where the policy says so, and its age is told', async () => {
    const closedToMs = NOW_MS - 3 * 3_600_000;
    const { decision } = await decideOne({ lane: withGold(martsOf('STALE', closedToMs)) });
    // The grid point of noon less the grace is eleven o'clock.
    expect(decision).toMatchObject({ decision: 'approve', gold_age_s: 7_200 });
    expect(decision?.statuses).toMatch(/^PS+$/);
  });

  test('a row that the model fails on does not take the others of its batch with it', async () => {
    const half = { ...BY_AMOUNT, trees: [...BY_AMOUNT.trees, stump(2, AMOUNT, 1, [Number.NaN, 0])] };
    const { champion } = await answering(onnxOfTrees(half), SHAPE)();
    const { decider, counters } = openDecider();
    await decider.use({ champion });
    const lane = openLane();
    const items = [0.5, 10, 0.5].map((amount, offset) => ({
      lane,
      offset,
      record: transfer({ amount }),
      receivedAtMs: NOW_MS,
    }));
    const codes = (await decider.decide(items)).map(({ reason_code }) => reason_code);
    expect(codes).toEqual(['MODEL_OUTPUT_INVALID', undefined, 'MODEL_OUTPUT_INVALID']);
    expect(counters.unscored.MODEL_OUTPUT_INVALID).toBe(2);
  });
});
