import { beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../../infra/core/config.ts';
import {
  type Candidate,
  type CandidateOptions,
  trainCandidate,
} from '../../../scoring/training/candidate.ts';
import { DEFAULT_TREES } from '../../../scoring/training/treeTraining.ts';
import { loadXgboost, type Xgboost } from '../../../scoring/training/xgboostLibrary.ts';
import { pickRows, slicesOf } from './synthetic.ts';

const ROWS = 2_000;
const OPTIONS: CandidateOptions = {
  trees: { ...DEFAULT_TREES, rounds: 10 },
  budgets: [
    { name: 'review', alertsPerDay: 300 },
    { name: 'decline', alertsPerDay: 80 },
  ],
  floors: { recallAt1PercentFpr: 0.5, perClass: { burst: 0.8 }, minSupport: 30 },
  cutoffMs: 4 * 86_400_000 - 1,
  lineage: { release: '7' },
  resamples: 100,
};
let xgboost: Xgboost;
let candidate: Candidate;

beforeAll(async () => {
  xgboost = loadXgboost(loadConfig(process.env).toolsDir);
  candidate = await trainCandidate(xgboost, slicesOf(ROWS), OPTIONS);
});

function failedReasons({ gates }: Candidate): string[] {
  return gates.flatMap(({ checks }) => checks.filter(({ passed }) => !passed).map(({ reason }) => reason));
}

test('a model that learnt something true passes all gates', () => {
  expect(failedReasons(candidate)).toEqual([]);
  expect(candidate.gates.map(({ name }) => name.slice(0, 2))).toEqual(['G0', 'G1', 'G2', 'G3']);
  const { model, baselines } = candidate.validation;
  expect(model.averagePrecision).toBeGreaterThan(baselines.logistic.averagePrecision + 0.05);
  expect(model.averagePrecision).toBeGreaterThan(baselines.rules.averagePrecision + 0.05);
});

test('thresholds keep their budgets about on rows that they were not chosen on', () => {
  const [review, decline] = candidate.thresholds;
  expect(decline!.threshold).toBeGreaterThan(review!.threshold);
  for (const [threshold, budget] of [
    [review, 300],
    [decline, 80],
  ] as const) {
    expect(threshold!.onValidation.alerts).toBeGreaterThan(0.6 * budget);
    expect(threshold!.onValidation.alerts).toBeLessThan(1.4 * budget);
  }
  const classes = review!.onValidation.perClass;
  expect(classes.map(({ name }) => name)).toEqual(['burst', 'gap']);
  expect(classes.every(({ support, recall }) => support > 30 && recall > 0.7)).toBe(true);
});

test('calibrated probabilities are at least as near to what happens', () => {
  const { brier } = candidate.validation;
  expect(brier.calibrated).toBeLessThanOrEqual(brier.score);
});

test('the same slices and options give the same candidate, byte for byte', async () => {
  expect(await trainCandidate(xgboost, slicesOf(ROWS), OPTIONS)).toEqual(candidate);
});

test('a canary that gives the class away lifts AP visibly, and G2 names it', async () => {
  const slices = slicesOf(ROWS, { canary: (index) => (index === 0 ? 0 : 1) });
  const leaking = await trainCandidate(xgboost, slices, OPTIONS);
  const [before, after] = [candidate, leaking].map(({ validation }) => validation.model.averagePrecision);
  expect(after! - before!).toBeGreaterThan(0.05);
  expect(leaking.gates.find(({ name }) => name === 'G2 data')?.passed).toBe(false);
  expect(failedReasons(leaking).join('\n')).toContain('canary alone reaches AP 1.000');
});

test('features without a signal pass no floor', async () => {
  const slices = slicesOf(ROWS);
  const noise = (name: 'training' | 'calibration' | 'validation', seed: number) => ({
    ...slices[name],
    values: slicesOf(ROWS + seed)
      [name].values.slice(0, ROWS * 4)
      .reverse(),
  });
  const lost = await trainCandidate(
    xgboost,
    {
      training: noise('training', 1),
      calibration: noise('calibration', 2),
      validation: noise('validation', 3),
    },
    OPTIONS,
  );
  expect(lost.gates.find(({ name }) => name === 'G3 floor')?.passed).toBe(false);
  expect(failedReasons(lost).join('\n')).toContain('AP against logistic regression');
});

test('what is known after the cutoff stops G2', async () => {
  const slices = slicesOf(ROWS);
  const late = {
    ...slices.training,
    knownAtMs: slices.training.knownAtMs.with(0, OPTIONS.cutoffMs + 1),
  };
  const { gates } = await trainCandidate(xgboost, { ...slices, training: late }, OPTIONS);
  expect(gates.find(({ name }) => name === 'G2 data')?.checks[0]?.passed).toBe(false);
});

test('a shuffle of the rows is refused before anything is trained', async () => {
  const { training, calibration, validation } = slicesOf(200);
  const rows = Array.from({ length: 200 }, (_, row) => row);
  const mixed = {
    ...pickRows(training, rows),
    eventTimesMs: Float64Array.from(
      rows,
      (row) => (row % 2 === 0 ? training : validation).eventTimesMs[row]!,
    ),
  };
  const untouched: Xgboost = {
    train: () => expect.unreachable('training began'),
    predict: () => expect.unreachable('a prediction was made'),
  };
  await expect(
    trainCandidate(untouched, { training: mixed, calibration, validation }, OPTIONS),
  ).rejects.toMatchObject({ code: 'TRAINING_SPLIT_NOT_BY_TIME' });
});
