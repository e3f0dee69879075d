import { beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { compileExplainer, type Explainer } from '../../scoring/explanation.ts';
import { DEFAULT_TREES, trainTrees } from '../../scoring/training/treeTraining.ts';
import { loadXgboost } from '../../scoring/training/xgboostLibrary.ts';
import { stump, treesJson } from './modelFiles.ts';
import { worldOf } from './training/synthetic.ts';

const WIDTH = 4;
const set = worldOf({ rows: 4_000, seed: 1 });
const rows = Array.from({ length: 500 }, (_, row) => set.values.slice(row * WIDTH, (row + 1) * WIDTH));
let explainer: Explainer;
let probabilities: Float32Array;

beforeAll(() => {
  const xgboost = loadXgboost(loadConfig(process.env).toolsDir);
  const json = trainTrees(xgboost, set, { ...DEFAULT_TREES, rounds: 10 });
  explainer = compileExplainer(json);
  probabilities = xgboost.predict(json, { values: set.values, featureCount: WIDTH });
});

const sumOf = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);

test('margins are those of libxgboost: their softmax is its probabilities, also where values are missing', () => {
  expect(rows.some((row) => row.some(Number.isNaN))).toBe(true);
  for (const [index, row] of rows.entries()) {
    const powers = explainer.margins(row).map(Math.exp);
    const expected = probabilities.subarray(index * 3, index * 3 + 3);
    for (const [c, power] of powers.entries())
      expect(power / sumOf(powers)).toBeCloseTo(expected[c] ?? -1, 5);
  }
});

test('contributions and the base add up to how far the class is above regular', () => {
  for (const row of rows) {
    const margins = explainer.margins(row);
    for (const c of [1, 2]) {
      const total = explainer.base(c) + sumOf(explainer.contributions(row, c));
      expect(total).toBeCloseTo((margins[c] ?? 0) - (margins[0] ?? 0), 9);
    }
  }
});

test('what makes the class in the world is what is named: a and b for bursts, c and d for gaps', () => {
  const leadersOf = (row: Float32Array, c: number) =>
    [...explainer.contributions(row, c).entries()]
      .toSorted(([, x], [, y]) => y - x)
      .slice(0, 2)
      .map(([feature]) => 'abcd'[feature])
      .toSorted();
  expect(leadersOf(Float32Array.of(18, 17, 10, 10), 1)).toEqual(['a', 'b']);
  expect(leadersOf(Float32Array.of(5, 5, Number.NaN, 1), 2)).toEqual(['c', 'd']);
});

test('nodes count by the weight of the training rows below them', () => {
  const tree = {
    classIndex: 1,
    left: [1, -1, 3, -1, -1],
    right: [2, -1, 4, -1, -1],
    feature: [0, 0, 1, 0, 0],
    value: [5, 0, 7, 6, 12],
    defaultLeft: [true, false, false, false, false],
  };
  const plain = compileExplainer(treesJson({ featureCount: 2, baseMargins: [0, 0], trees: [tree] }));
  // Three leaves of weight 1: the root's mean is 6, that of the right child 9.
  expect(plain.base(1)).toBe(6);
  expect([...plain.contributions(Float32Array.of(9, 8), 1)]).toEqual([3, 3]);
  expect([...plain.contributions(Float32Array.of(Number.NaN, 8), 1)]).toEqual([-6, 0]);
});

test('what speaks against regular speaks for fraud', () => {
  const trees = [stump(0, 0, 5, [2, 0])];
  const plain = compileExplainer(treesJson({ featureCount: 1, baseMargins: [0, 0], trees }));
  expect([...plain.contributions(Float32Array.of(9), 1)]).toEqual([1]);
});

test('trees without covers are refused', () => {
  const json = new TextDecoder().decode(treesJson({ featureCount: 1, baseMargins: [0, 0], trees: [] }));
  const tree = { left_children: [-1], right_children: [-1], split_indices: [0], split_conditions: [1] };
  const whole = { ...tree, default_left: [0], split_type: [0], tree_param: { size_leaf_vector: '0' } };
  const without = json.replace(
    '"tree_info":[],"trees":[]',
    `"tree_info":[0],"trees":[${JSON.stringify(whole)}]`,
  );
  expect(without).not.toBe(json);
  expect(() => compileExplainer(new TextEncoder().encode(without))).toThrow(/sum_hessian/);
});
