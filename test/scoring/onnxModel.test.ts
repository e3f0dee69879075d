import { expect, test } from 'vitest';
import { openOnnxModel } from '../../scoring/onnxModel.ts';
import { onnxOfTrees } from '../../scoring/training/onnxExport.ts';
import type { TreeModel } from '../../scoring/training/treeModel.ts';

/** One stump: x0 < 2 → margin 1 for class 0, else 3 for class 1 by a second tree; missing goes right. */
const stump = (classIndex: number, leaves: readonly [number, number]) => ({
  classIndex,
  left: [1, -1, -1],
  right: [2, -1, -1],
  feature: [0, 0, 0],
  value: [2, ...leaves],
  defaultLeft: [false, false, false],
});
const MODEL: TreeModel = {
  featureCount: 2,
  baseMargins: [0.5, 0],
  trees: [stump(0, [1, 0]), stump(1, [0, 3])],
};
const BYTES = onnxOfTrees(MODEL);
const SHAPE = { featureCount: 2, classCount: 2 };

const softmax = (a: number, b: number) => Math.exp(a) / (Math.exp(a) + Math.exp(b));

test('probabilities are those of a computation by hand: below, at and above the threshold, missing', async () => {
  await using model = await openOnnxModel(BYTES, SHAPE);
  const probabilities = await model.predict(Float32Array.of(1, 0, 2, 0, 3, 0, Number.NaN, 0));
  const [left, right] = [softmax(1.5, 0), softmax(0.5, 3)];
  const expected = [left, right, right, right].flatMap((p) => [p, 1 - p]);
  expect([...probabilities].map((p) => p.toFixed(6))).toEqual(expected.map((p) => p.toFixed(6)));
});

test('nodes that pruning left behind are not exported', () => {
  const pruned = MODEL.trees.map((tree) => ({
    ...tree,
    left: [...tree.left, -1],
    right: [...tree.right, -1],
    feature: [...tree.feature, 1],
    value: [...tree.value, 99],
    defaultLeft: [...tree.defaultLeft, true],
  }));
  expect(Buffer.compare(onnxOfTrees({ ...MODEL, trees: pruned }), BYTES)).toBe(0);
});

test.each<[string, Uint8Array]>([
  ['bytes of something else', new TextEncoder().encode('not a model')],
  ['no bytes', new Uint8Array(0)],
  ['half a model', BYTES.slice(0, BYTES.length / 2)],
  ['a model with another operator', replaced(BYTES, 'TreeEnsembleRegressor', 'TreeEnsembleRegressoR')],
])('%s: refused with a code', async (_, bytes) => {
  await expect(openOnnxModel(bytes, SHAPE)).rejects.toMatchObject({ code: 'MODEL_ONNX_INVALID' });
});

test.each([
  ['features', { featureCount: 3, classCount: 2 }],
  ['classes', { featureCount: 2, classCount: 3 }],
])('a model with another number of %s is refused when it is loaded', async (_, shape) => {
  await expect(openOnnxModel(BYTES, shape)).rejects.toMatchObject({ code: 'MODEL_ONNX_INVALID' });
});

test('rows that do not fit are refused, and the model goes on', async () => {
  await using model = await openOnnxModel(BYTES, SHAPE);
  await expect(model.predict(Float32Array.of(1, 2, 3))).rejects.toMatchObject({ code: 'MODEL_ONNX_INVALID' });
  expect(await model.predict(Float32Array.of(1, 2))).toHaveLength(2);
});

function replaced(bytes: Uint8Array, from: string, to: string): Uint8Array {
  return Buffer.from(Buffer.from(bytes).toString('latin1').replace(from, to), 'latin1');
}
