import { Rng } from '../../ingestion/simulator/prng.ts';
import type { ModelFiles } from '../../scoring/modelCard.ts';
import type { Tree } from '../../scoring/training/treeModel.ts';
import type { FeatureSet } from '../../transforms/featureSet.ts';
import { cardFeatures, filesOf, treesJson } from './modelFiles.ts';

/** A model of the size of a trained one that has learnt nothing: full trees over random features. */
export function busyModel(parts: {
  readonly sets: readonly FeatureSet[];
  readonly classNames: readonly string[];
  readonly rounds: number;
  readonly depth: number;
}): ModelFiles {
  const { sets, classNames, rounds, depth } = parts;
  const features = cardFeatures(sets);
  const rng = new Rng('busy', 1);
  const trees = Array.from({ length: rounds * classNames.length }, (_, index) =>
    fullTree(index % classNames.length, { depth, featureCount: features.length, rng }),
  );
  const baseMargins = classNames.map((_, index) => (index === 0 ? 3 : 0));
  const rows = Array.from({ length: 10 }, () => Float32Array.from(features, () => rng.int(0, 200) / 2));
  return filesOf({
    features,
    classNames,
    trees: treesJson({ featureCount: features.length, baseMargins, trees }),
    samples: rows.map((values) => ({
      values,
      probabilities: softmax(margins(values, { trees, baseMargins })),
    })),
  });
}

// === Helpers ===

interface Shape {
  readonly depth: number;
  readonly featureCount: number;
  readonly rng: Rng;
}

/** Nodes in the order of a heap. */
function fullTree(classIndex: number, { depth, featureCount, rng }: Shape): Tree {
  const inner = 2 ** depth - 1;
  const nodes = Array.from({ length: 2 * inner + 1 }, (_, node) => node);
  const isLeaf = (node: number) => node >= inner;
  return {
    classIndex,
    left: nodes.map((node) => (isLeaf(node) ? -1 : 2 * node + 1)),
    right: nodes.map((node) => (isLeaf(node) ? -1 : 2 * node + 2)),
    feature: nodes.map((node) => (isLeaf(node) ? 0 : rng.int(0, featureCount - 1))),
    value: nodes.map((node) =>
      Math.fround(isLeaf(node) ? rng.int(-20, 20) / 512 : rng.int(0, 200) / 2 + 0.25),
    ),
    defaultLeft: nodes.map((node) => node % 2 === 0 && !isLeaf(node)),
  };
}

function margins(
  values: Float32Array,
  model: { readonly trees: readonly Tree[]; readonly baseMargins: readonly number[] },
): number[] {
  const sums = [...model.baseMargins];
  for (const { classIndex, left, right, feature, value } of model.trees) {
    let node = 0;
    while (left[node] !== -1) {
      const goesLeft = (values[feature[node] ?? 0] ?? 0) < (value[node] ?? 0);
      node = (goesLeft ? left[node] : right[node]) ?? 0;
    }
    sums[classIndex] = (sums[classIndex] ?? 0) + (value[node] ?? 0);
  }
  return sums;
}

function softmax(of: readonly number[]): number[] {
  const powers = of.map((margin) => Math.exp(margin - Math.max(...of)));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
