import { expect, test } from 'vitest';
import { averagePrecision, prevalenceOf, rankByScore } from '../../../scoring/training/metrics.ts';
import { positivesOf } from '../../../scoring/training/rowSet.ts';
import { findRules, scoreByRules } from '../../../scoring/training/rules.ts';
import { worldOf } from './synthetic.ts';

test('a threshold that tells the classes apart is found exactly, with its counts', () => {
  const set = worldOf({ rows: 2_000, seed: 3, extra: { canary: (index) => (index === 0 ? 3 : 40) } });
  const positives = positivesOf(set).reduce((a, b) => a + b, 0);
  const { rules } = findRules(set);
  expect(rules).toEqual([{ feature: 'canary', operator: '>=', threshold: 40, rows: positives, positives }]);
});

test('low values are found too', () => {
  const set = worldOf({ rows: 2_000, seed: 3, extra: { canary: (index) => (index === 0 ? 3 : -40) } });
  expect(findRules(set).rules[0]).toMatchObject({ feature: 'canary', operator: '<', threshold: 3 });
});

test('rules of the training slice rank a later slice better than chance; a missing value meets none', () => {
  const rules = findRules(worldOf({ rows: 4_000, seed: 3 }));
  const later = worldOf({ rows: 4_000, seed: 4 });
  const scores = scoreByRules(rules, later);
  const positives = positivesOf(later);
  expect(rules.rules.length).toBeGreaterThan(1);
  expect(averagePrecision(rankByScore(scores), { positives })).toBeGreaterThan(1.5 * prevalenceOf(positives));
  const nothing = { ...later, values: new Float32Array(later.values.length).fill(Number.NaN) };
  expect(new Set(scoreByRules(rules, nothing))).toEqual(new Set([rules.otherwise]));
});

test('the counts of each rule are those of the rows that met it and no rule before it', () => {
  const set = worldOf({ rows: 4_000, seed: 3 });
  const positives = positivesOf(set);
  let open = [...set.classes.keys()];
  for (const rule of findRules(set).rules) {
    const feature = set.featureNames.indexOf(rule.feature);
    const meets = (row: number) => {
      const value = set.values[row * set.featureNames.length + feature]!;
      return rule.operator === '>=' ? value >= rule.threshold : value < rule.threshold;
    };
    const met = open.filter(meets);
    expect(rule).toMatchObject({
      rows: met.length,
      positives: met.filter((row) => positives[row] === 1).length,
    });
    open = open.filter((row) => !meets(row));
  }
});

test('the first rule that a row meets decides', () => {
  const set = worldOf({ rows: 2, seed: 1 });
  const list = {
    rules: [
      { feature: 'a', operator: '>=' as const, threshold: 0, rows: 8, positives: 4 },
      { feature: 'a', operator: '>=' as const, threshold: 0, rows: 8, positives: 8 },
    ],
    otherwise: 0,
  };
  expect([...scoreByRules(list, set)]).toEqual([0.5, 0.5]);
});
