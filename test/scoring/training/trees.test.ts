import { beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../infra/core/config.ts';
import { openOnnxModel } from '../../../scoring/onnxModel.ts';
import { onnxOfTrees } from '../../../scoring/training/onnxExport.ts';
import { compareWithOnnx, edgeRowsOf } from '../../../scoring/training/parity.ts';
import type { RowSet } from '../../../scoring/training/rowSet.ts';
import { parseTreeModel, type TreeModel } from '../../../scoring/training/treeModel.ts';
import { DEFAULT_TREES, trainTrees } from '../../../scoring/training/treeTraining.ts';
import { loadXgboost, type Xgboost } from '../../../scoring/training/xgboostLibrary.ts';
import { worldOf } from './synthetic.ts';

/** libxgboost and onnxruntime for real: `make setup` brings both. */
const SHAPE = { featureCount: 4, classCount: 3 };
const ROWS = 8_000;
const set = worldOf({ rows: ROWS, seed: 1 });
const rows = { values: set.values, featureCount: 4 };
let xgboost: Xgboost;
let json: Uint8Array;
let model: TreeModel;

beforeAll(() => {
  xgboost = loadXgboost(loadConfig(process.env).toolsDir);
  json = trainTrees(xgboost, set, DEFAULT_TREES);
  model = parseTreeModel(json);
});

async function parityOf(exported: TreeModel) {
  await using onnx = await openOnnxModel(onnxOfTrees(exported), SHAPE);
  const edges = edgeRowsOf(model, rows, 2_000);
  const expected = { real: xgboost.predict(json, rows), edges: xgboost.predict(json, edges) };
  return await compareWithOnnx(onnx, { real: rows, edges }, expected); // before the model is given back
}

describe('ONNX', () => {
  test('says what libxgboost says, on real rows with gaps and on the edges of all splits', async () => {
    const report = await parityOf(model);
    expect(report.rows).toBeGreaterThanOrEqual(ROWS + 2_000);
    expect(report.edgeRows).toBeGreaterThanOrEqual(2_000);
    expect(report.maxDifference).toBeLessThanOrEqual(1e-5);
    expect(report.labelDifferences).toBe(0);
    expect(set.values.some(Number.isNaN)).toBe(true);
  });

  test('a comparison that lets equal values go left is seen by the parity gate', async () => {
    const lessOrEqual = withTrees((tree) => ({
      ...tree,
      value: tree.value.map((v, i) => nextAbove(tree.left[i]!, v)),
    }));
    expect((await parityOf(lessOrEqual)).maxDifference).toBeGreaterThan(1e-3);
  });

  test('missing values on the wrong side are seen by the parity gate', async () => {
    const turned = withTrees((tree) => ({ ...tree, defaultLeft: tree.defaultLeft.map((left) => !left) }));
    expect((await parityOf(turned)).maxDifference).toBeGreaterThan(1e-3);
  });

  test('edge rows hit thresholds exactly, the floats beside them, NaN and the largest floats', () => {
    const { values } = edgeRowsOf(model, rows, 0);
    const tree = model.trees[0]!;
    const [feature, threshold] = [tree.feature[0]!, tree.value[0]!];
    const column = new Set(values.filter((_, at) => at % 4 === feature));
    const below = Math.fround(threshold * (1 - 2 ** -24));
    for (const value of [threshold, nextAbove(0, threshold), below, Number.NaN]) {
      expect(column.has(value), String(value)).toBe(true);
    }
    expect(Math.max(...[...column].filter(Number.isFinite))).toBeGreaterThan(3.4e38);
  });
});

describe('training', () => {
  test('30 rounds over the classes are 30 trees a class, in turn', () => {
    expect(model.trees.map(({ classIndex }) => classIndex).slice(0, 6)).toEqual([0, 1, 2, 0, 1, 2]);
    expect(model.trees).toHaveLength(90);
    expect(model.featureCount).toBe(4);
  });

  test('equal rows and seed give byte-identical ONNX, also with row samples; another seed does not', () => {
    const small = worldOf({ rows: 2_000, seed: 2 });
    const train = (seed: number) => onnxOf(small, { subsample: 0.7, seed });
    expect(Buffer.compare(train(5), train(5))).toBe(0);
    expect(Buffer.compare(train(5), train(6))).not.toBe(0);
  });

  test('infinities are refused by libxgboost, with its reason', () => {
    const wrong = { values: Float32Array.of(Number.POSITIVE_INFINITY), featureCount: 1 };
    expect(() => xgboost.predict(json, wrong)).toThrow(
      expect.objectContaining({ code: 'XGBOOST_FAILED', message: expect.stringContaining('`inf`') }),
    );
  });

  test('a library that is not there is told with the command that brings it', () => {
    expect(() => loadXgboost('/nowhere')).toThrow(
      expect.objectContaining({ code: 'XGBOOST_MISSING', remedy: 'run: sh infra/stack/bring.sh xgboost' }),
    );
  });
});

describe('the JSON of libxgboost', () => {
  const edited = (edit: (learner: Learner) => void) => {
    const parsed = JSON.parse(new TextDecoder().decode(json)) as { learner: Learner };
    edit(parsed.learner);
    return parseTreeModel(new TextEncoder().encode(JSON.stringify(parsed)));
  };

  test('of older versions has one base score for all classes', () => {
    const { baseMargins } = edited((learner) => {
      learner.learner_model_param['base_score'] = '5E-1';
    });
    expect(baseMargins).toEqual([0.5, 0.5, 0.5]);
  });

  test.each<[string, (learner: Learner) => void]>([
    ['another objective', (learner) => Object.assign(learner.objective, { name: 'binary:logistic' })],
    ['another booster', (learner) => Object.assign(learner.gradient_booster, { name: 'dart' })],
    ['a split on categories', (learner) => learner.gradient_booster.model.trees[0]!.split_type.fill(1)],
    [
      'base scores for other classes',
      (l) => Object.assign(l.learner_model_param, { base_score: '[1E0,2E0]' }),
    ],
    ['a tree without a class', (learner) => learner.gradient_booster.model.tree_info.pop()],
  ])('with %s is refused', (_, edit) => {
    expect(() => edited(edit)).toThrow(expect.objectContaining({ code: 'MODEL_JSON_UNSUPPORTED' }));
  });
});

interface Learner {
  learner_model_param: Record<string, string>;
  objective: object;
  gradient_booster: { model: { tree_info: number[]; trees: { split_type: number[] }[] } };
}

function withTrees(change: (tree: TreeModel['trees'][number]) => TreeModel['trees'][number]): TreeModel {
  return { ...model, trees: model.trees.map(change) };
}

/** The float32 above a threshold; leaves (`left` is -1) stay. */
function nextAbove(left: number, value: number): number {
  if (left === -1) return value;
  const bits = new Int32Array(Float32Array.of(value).buffer)[0]!;
  return new Float32Array(Int32Array.of(value >= 0 ? bits + 1 : bits - 1).buffer)[0]!;
}

function onnxOf(rowSet: RowSet, options: { subsample: number; seed: number }): Uint8Array {
  return onnxOfTrees(
    parseTreeModel(trainTrees(xgboost, rowSet, { ...DEFAULT_TREES, rounds: 10, ...options })),
  );
}
