import { expect, test } from 'vitest';
import type { ModelCard } from '../../../scoring/modelCard.ts';
import { thresholdForPrecision } from '../../../scoring/training/alertBudget.ts';
import { binsOf } from '../../../scoring/training/bins.ts';
import { judgeAgainst } from '../../../scoring/training/champion.ts';
import { onnxOfTrees } from '../../../scoring/training/onnxExport.ts';
import type { Tree } from '../../../scoring/training/treeModel.ts';
import { filesOf } from '../cards.ts';
import { worldOf } from './synthetic.ts';

test('bins keep missing and zero apart, and cut the rest into tenths', () => {
  const values = Float32Array.from({ length: 100 }, (_, i) => i + 1);
  const bins = binsOf(Float32Array.from([...values, 0, 0, 0, Number.NaN]));
  expect(bins).toMatchObject({ missing: 1, zero: 3 });
  expect(bins.edges).toEqual([11, 21, 31, 41, 51, 61, 71, 81, 91]);
  expect(bins.counts).toEqual(new Array(10).fill(10));
});

test('a value that is most of a column is one bin, and an empty column has one empty bin', () => {
  const bins = binsOf(Float32Array.from([...new Array(95).fill(2), 1, 3, 4, 5, 6]));
  expect(bins).toEqual({ missing: 0, zero: 0, edges: [2], counts: [1, 99] });
  expect(binsOf(Float32Array.of(Number.NaN, 0))).toEqual({ missing: 1, zero: 1, edges: [], counts: [0] });
});

test('the threshold for a precision is the lowest that has it, over enough rows', () => {
  const scores = Float64Array.of(0.9, 0.8, 0.7, 0.6, 0.5, 0.4);
  const positives = Uint8Array.of(1, 1, 0, 1, 0, 0);
  const from = (precision: number, minRows: number) =>
    thresholdForPrecision(scores, positives, { precision, minRows });
  expect(from(1, 1)).toBe(0.8);
  expect(from(0.75, 1)).toBe(0.6);
  expect(from(0.75, 5)).toBeUndefined();
  expect(from(1, 3)).toBeUndefined();
});

/** A forest that ranks by one feature of the synthetic world: the higher, the likelier. */
function filesRankingBy(feature: number, change: Partial<ModelCard> = {}) {
  const steps = [4, 8, 12, 16];
  const tree = (threshold: number): Tree => ({
    ...{ classIndex: 1, left: [1, -1, -1], right: [2, -1, -1] },
    ...{ feature: [feature, 0, 0], value: [threshold, 0, 1], defaultLeft: [true, false, false] },
  });
  const onnx = onnxOfTrees({ featureCount: 4, baseMargins: [0, 0, 0], trees: steps.map(tree) });
  const features = ['a', 'b', 'c', 'd'].map((name) => ({ name, hashes: { source: `${name}-hash` } }));
  const files = filesOf(`by-${feature}`, { features, classNames: ['regular', 'burst', 'gap'], ...change });
  return { ...files, onnx };
}

const validation = worldOf({ rows: 3_000, seed: 9 });
const byColumn = (feature: number) =>
  Float64Array.from(validation.classes, (_, row) =>
    Math.floor((validation.values[row * 4 + feature] ?? 0) / 4),
  );

function judge(champion: number, challenger: number, change: Partial<ModelCard> = {}) {
  const files = filesRankingBy(challenger, change);
  const scores = byColumn(challenger);
  return judgeAgainst(filesRankingBy(champion), { files, validation, scores, resamples: 100, seed: 1 });
}

test('G4 passes what is better than the champion, and nothing that is worse', async () => {
  expect((await judge(3, 0)).passed).toBe(true);
  expect((await judge(0, 3)).passed).toBe(false);
});

test('an equal model follows as a refresh of the same features, not as something new', async () => {
  const refresh = await judge(0, 0);
  expect(refresh.passed).toBe(true);
  expect(refresh.checks.at(-1)?.reason).toContain('+0.000 [+0.000, +0.000]');
  expect((await judge(0, 0, { trainer: { rounds: 99 } })).passed).toBe(false);
});

test('few positives show nothing', async () => {
  const few = worldOf({ rows: 100, seed: 9 });
  const files = filesRankingBy(0);
  const scores = Float64Array.from(few.classes, (_, row) => few.values[row * 4] ?? 0);
  const champion = filesRankingBy(3);
  const gate = await judgeAgainst(champion, { files, validation: few, scores, resamples: 50, seed: 1 });
  expect(gate.passed).toBe(false);
  expect(gate.checks[0]?.reason).toContain('positives to compare on (at least 200)');
});
