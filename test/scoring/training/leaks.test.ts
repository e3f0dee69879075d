import { expect, test } from 'vitest';
import { checkShuffled, featureStrengths, withShuffledClasses } from '../../../scoring/training/leaks.ts';
import { predictLogistic, trainLogistic } from '../../../scoring/training/logistic.ts';
import { prevalenceOf } from '../../../scoring/training/metrics.ts';
import { positivesOf } from '../../../scoring/training/rowSet.ts';
import { worldOf } from './synthetic.ts';

test.each<[string, (index: number) => number]>([
  ['high', (index) => (index === 0 ? 0 : 5)],
  ['low', (index) => (index === 0 ? 0 : -5)],
  ['missing', (index) => (index === 0 ? 0 : Number.NaN)],
])('a feature that gives the class away by being %s is the strongest, with AP 1', (_, canary) => {
  const [strongest, next] = featureStrengths(worldOf({ rows: 1_000, seed: 1, extra: { canary } }));
  expect(strongest).toEqual({ feature: 'canary', averagePrecision: 1 });
  expect(next?.averagePrecision).toBeLessThan(0.7);
});

test('shuffling deals the same classes out anew, by its seed', () => {
  const set = worldOf({ rows: 1_000, seed: 1 });
  const shuffled = withShuffledClasses(set, 3);
  expect(shuffled.classes).not.toEqual(set.classes);
  expect(shuffled.classes.toSorted()).toEqual(set.classes.toSorted());
  expect(withShuffledClasses(set, 3).classes).toEqual(shuffled.classes);
  expect(withShuffledClasses(set, 4).classes).not.toEqual(shuffled.classes);
});

test('a model of shuffled classes finds as much as chance, near the prevalence', () => {
  const model = trainLogistic(withShuffledClasses(worldOf({ rows: 3_000, seed: 1 }), 3));
  const later = withShuffledClasses(worldOf({ rows: 3_000, seed: 2 }), 4);
  const check = checkShuffled(predictLogistic(model, later), later, 5);
  const prevalence = prevalenceOf(positivesOf(later));
  expect(check.averagePrecision).toBeLessThanOrEqual(check.chanceLimit);
  expect(Math.abs(check.averagePrecision - prevalence)).toBeLessThan(0.03);
  expect(check.chanceLimit).toBeLessThan(prevalence + 0.06);
});

test('rows that were learnt by heart are above chance even when their classes are shuffled', () => {
  const set = withShuffledClasses(worldOf({ rows: 1_000, seed: 1 }), 3);
  const memory = Float64Array.from(positivesOf(set), (positive, row) => (row % 3 === 0 ? positive : 0.5));
  const check = checkShuffled(memory, set, 5);
  expect(check.averagePrecision).toBeGreaterThan(check.chanceLimit);
});
