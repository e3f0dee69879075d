import { expect, test } from 'vitest';
import { solveSymmetric } from '../../../scoring/training/linearSystem.ts';
import { predictLogistic, trainLogistic } from '../../../scoring/training/logistic.ts';
import { averagePrecision, rankByScore } from '../../../scoring/training/metrics.ts';
import { positivesOf, type RowSet } from '../../../scoring/training/rowSet.ts';
import { worldOf } from './synthetic.ts';

test('a symmetric system is solved from its lower triangle', () => {
  const x = solveSymmetric(Float64Array.of(4, 99, 2, 3), Float64Array.of(10, 11));
  expect([...x].map((value) => Math.round(value * 1e9) / 1e9)).toEqual([1, 3]);
});

test('at the solution the gradient of the penalised loss is 0, and the mean probability is the prevalence', () => {
  const set = worldOf({ rows: 2_000, seed: 5 });
  const model = trainLogistic(set);
  const residuals = predictLogistic(model, set).map((p, row) => p - positivesOf(set)[row]!);
  const sum = (of: (row: number) => number) => residuals.reduce((all, r, row) => all + r * of(row), 0);
  expect(sum(() => 1)).toBeCloseTo(0, 4);
  model.inputs.forEach(({ feature, kind, mean, deviation }, input) => {
    const gradient = sum((row) => {
      const value = set.values[row * 4 + feature]!;
      const seen = kind === 'missing' ? Number(Number.isNaN(value)) : Number.isNaN(value) ? mean : value;
      return (seen - mean) / deviation;
    });
    expect(gradient + model.weights[input]!).toBeCloseTo(0, 4);
  });
});

test('what is missing tells something: a feature with gaps has a second input', () => {
  const model = trainLogistic(worldOf({ rows: 2_000, seed: 5 }));
  expect(model.inputs.map(({ feature, kind }) => `${feature} ${kind}`)).toEqual([
    '0 value',
    '1 value',
    '2 value',
    '2 missing',
    '3 value',
  ]);
  expect(model.weights[3]).toBeGreaterThan(0.5); // class `gap` has c missing
});

test('a later slice is standardised by the training rows, and constant features are left out', () => {
  const set = worldOf({ rows: 1_000, seed: 5, extra: { constant: () => 7 } });
  const model = trainLogistic(set);
  expect(model.inputs.some(({ feature }) => feature === 4)).toBe(false);
  const one: RowSet = { ...set, values: set.values.slice(0, 5), classes: set.classes.slice(0, 1) };
  expect(predictLogistic(model, one)[0]).toBe(predictLogistic(model, set)[0]);
});

test('perfectly separable rows end in finite weights and a perfect ranking', () => {
  const set = worldOf({ rows: 500, seed: 5, extra: { canary: (index) => (index === 0 ? 0 : 1) } });
  const model = trainLogistic(set);
  expect(model.weights.every(Number.isFinite)).toBe(true);
  const ranking = rankByScore(predictLogistic(model, set));
  expect(averagePrecision(ranking, { positives: positivesOf(set) })).toBe(1);
});
