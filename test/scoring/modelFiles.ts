import { createHash } from 'node:crypto';
import type { CardFeature, ModelCard, ModelFiles } from '../../scoring/modelCard.ts';
import { onnxOfTrees } from '../../scoring/training/onnxExport.ts';
import { parseTreeModel, type Tree, type TreeModel } from '../../scoring/training/treeModel.ts';
import { encodeVector } from '../../scoring/vectorCodec.ts';
import type { FeatureSet } from '../../transforms/featureSet.ts';

/** All features of the sets by name, in the order of their lists, as a card names them. */
export function cardFeatures(sets: readonly FeatureSet[]): CardFeature[] {
  const byName = new Map<string, Record<string, string>>();
  for (const { source, features } of sets) {
    for (const { entry, hash } of features) {
      byName.set(entry.name, { ...byName.get(entry.name), [source.name]: hash });
    }
  }
  return [...byName].map(([name, hashes]) => ({ name, hashes }));
}

/** A tree that splits once: below `threshold` the first value, else (and where missing) the second. */
export function stump(
  classIndex: number,
  feature: number,
  threshold: number,
  leaves: readonly [number, number],
): Tree {
  return {
    classIndex,
    left: [1, -1, -1],
    right: [2, -1, -1],
    feature: [feature, 0, 0],
    value: [threshold, ...leaves],
    defaultLeft: [false, false, false],
  };
}

/** The trees as libxgboost would write them; every leaf weighs 1. */
export function treesJson(model: TreeModel): Uint8Array {
  const trees = model.trees.map((tree) => ({
    left_children: tree.left,
    right_children: tree.right,
    split_indices: tree.feature,
    split_conditions: tree.value,
    default_left: tree.defaultLeft.map(Number),
    split_type: tree.left.map(() => 0),
    sum_hessian: tree.left.map((_, node) => leavesBelow(tree, node)),
    tree_param: { size_leaf_vector: '0' },
  }));
  const gbtree = { gbtree_model_param: { num_parallel_tree: '1' } };
  const learner = {
    learner_model_param: {
      base_score: `[${model.baseMargins.join(',')}]`,
      num_class: String(model.baseMargins.length),
      num_feature: String(model.featureCount),
    },
    objective: { name: 'multi:softprob' },
    gradient_booster: {
      name: 'gbtree',
      model: { ...gbtree, tree_info: model.trees.map(({ classIndex }) => classIndex), trees },
    },
  };
  return new TextEncoder().encode(JSON.stringify({ learner }));
}

export interface MadeModel {
  readonly features: readonly CardFeature[];
  readonly classNames: readonly string[];
  readonly trees: Uint8Array;
  /** Rows of the model's input with what it has to say about them. */
  readonly samples: readonly { readonly values: Float32Array; readonly probabilities: readonly number[] }[];
  readonly version?: string;
  readonly thresholds?: ModelCard['thresholds'];
  readonly calibration?: ModelCard['calibration'];
}

/** Files and card of a model; what nobody reads here is empty. */
export function filesOf(made: MadeModel): ModelFiles & { readonly card: ModelCard } {
  const onnx = onnxOfTrees(parseTreeModel(made.trees));
  const ranking = {
    averagePrecision: 1,
    rocAuc: 1,
    recallAtFpr: { '0.001': 1, '0.01': 1, '0.05': 1 },
  };
  const slice = { from: '', to: '', rows: 0, positives: 0 };
  const bins = { missing: 0, zero: 0, edges: [], counts: [0] };
  const card: ModelCard = {
    format: 1,
    version: made.version ?? '20260101t000000Z-0123456789ab',
    createdAt: '2026-01-01T00:00:00.000Z',
    data: {
      release: 1,
      until: '2026-01-01T00:00:00.000Z',
      extractHash: '',
      slices: { training: slice, calibration: slice, validation: slice },
      vectors: { backfilled: 0, fromDecisions: 0 },
    },
    features: made.features,
    classNames: made.classNames,
    onnxHash: sha256(onnx),
    treesHash: sha256(made.trees),
    trainer: {},
    // A line through the corners: calibrated, a score is itself.
    calibration: made.calibration ?? { scores: [0, 1], probabilities: [0, 1] },
    thresholds: made.thresholds ?? { review: 0.5, decline: 0.9 },
    budgets: [],
    validation: {
      prevalence: 0.01,
      model: ranking,
      baselines: { logistic: ranking, rules: ranking },
      brier: { score: 0, calibrated: 0 },
      topBands: [],
      topCalibrationError: 0,
    },
    parity: { rows: 0, edgeRows: 0, maxDifference: 0, labelDifferences: 0 },
    gates: [],
    bins: { features: [], score: bins },
    sampleRows: made.samples.map(({ values, probabilities }) => ({
      vector: encodeVector(values),
      probabilities,
    })),
  };
  return { card, onnx, trees: made.trees };
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

// === Helpers ===

function leavesBelow(tree: Tree, node: number): number {
  const [left = -1, right = -1] = [tree.left[node], tree.right[node]];
  return left === -1 ? 1 : leavesBelow(tree, left) + leavesBelow(tree, right);
}
