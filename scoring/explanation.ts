import { z } from 'zod';
import { parseTreeModel, type Tree } from './training/treeModel.ts';

/** What the trees of a model say about one row of its input, without the runtime that serves it. */
export interface Explainer {
  /** Sum of base margin and leaves, one a class: probabilities before the softmax. */
  margins(row: Float32Array): Float64Array;
  /**
   * How much each feature of the row moved the margin of `classIndex` over that of class 0: along the
   * path of the row through each tree, the step from a node's mean to that of the child goes to the feature
   * that the node splits on. With `base(classIndex)` they add up to the difference of the margins.
   */
  contributions(row: Float32Array, classIndex: number): Float64Array;
  /** The mean difference of the two margins over the training rows. */
  base(classIndex: number): number;
}

/** Reads libxgboost's JSON. @throws MODEL_JSON_UNSUPPORTED, and what zod says where covers are missing */
export function compileExplainer(json: Uint8Array): Explainer {
  const { featureCount, baseMargins, trees } = parseTreeModel(json);
  const covers = covered.parse(JSON.parse(new TextDecoder().decode(json))).learner.gradient_booster.model
    .trees;
  const byClass: Forest[] = baseMargins.map(() => []);
  trees.forEach((tree, index) => {
    byClass[tree.classIndex]?.push(walkable(tree, covers[index]?.sum_hessian ?? []));
  });
  const baseOf = (classIndex: number): number =>
    (byClass[classIndex] ?? []).reduce((sum, { mean }) => sum + (mean[0] ?? 0), baseMargins[classIndex] ?? 0);
  return {
    margins: (row) =>
      Float64Array.from(byClass, (forest, index) => marginOf(forest, row, baseMargins[index] ?? 0)),
    contributions: (row, classIndex) => {
      const found = new Float64Array(featureCount);
      addSteps(byClass[classIndex] ?? [], row, { found, sign: 1 });
      addSteps(byClass[0] ?? [], row, { found, sign: -1 });
      return found;
    },
    base: (classIndex) => baseOf(classIndex) - baseOf(0),
  };
}

// === Helpers ===

/** A tree in typed arrays; `mean` is what its leaves give on average below a node. */
interface WalkableTree {
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  readonly defaultLeft: Uint8Array;
  readonly mean: Float64Array;
}

type Forest = WalkableTree[];

const covered = z.object({
  learner: z.object({
    gradient_booster: z.object({
      model: z.object({ trees: z.array(z.object({ sum_hessian: z.array(z.number()) })) }),
    }),
  }),
});

function walkable(tree: Tree, cover: readonly number[]): WalkableTree {
  const mean = new Float64Array(tree.value.length);
  meansBelow(0, { tree, cover, mean });
  return {
    left: Int32Array.from(tree.left),
    right: Int32Array.from(tree.right),
    feature: Int32Array.from(tree.feature),
    threshold: Float32Array.from(tree.value),
    defaultLeft: Uint8Array.from(tree.defaultLeft, Number),
    mean,
  };
}

/** Weighted by how much the training rows weighed in each child. */
function meansBelow(
  node: number,
  parts: { readonly tree: Tree; readonly cover: readonly number[]; readonly mean: Float64Array },
): number {
  const { tree, cover, mean } = parts;
  const [left = -1, right = -1] = [tree.left[node], tree.right[node]];
  if (left === -1) {
    mean[node] = tree.value[node] ?? Number.NaN;
  } else {
    const [a, b] = [meansBelow(left, parts), meansBelow(right, parts)];
    const [weightA = 0, weightB = 0] = [cover[left], cover[right]];
    mean[node] = weightA + weightB > 0 ? (a * weightA + b * weightB) / (weightA + weightB) : (a + b) / 2;
  }
  return mean[node] as number;
}

function childOf(tree: WalkableTree, node: number, row: Float32Array): number {
  const value = row[tree.feature[node] as number] as number;
  const goesLeft = Number.isNaN(value)
    ? tree.defaultLeft[node] === 1
    : value < (tree.threshold[node] as number);
  return (goesLeft ? tree.left[node] : tree.right[node]) as number;
}

function marginOf(forest: Forest, row: Float32Array, base: number): number {
  let margin = base;
  for (const tree of forest) {
    let node = 0;
    while (tree.left[node] !== -1) node = childOf(tree, node, row);
    margin += tree.mean[node] as number;
  }
  return margin;
}

/** hot path, of reviews and declines */
function addSteps(
  forest: Forest,
  row: Float32Array,
  { found, sign }: { readonly found: Float64Array; readonly sign: 1 | -1 },
): void {
  for (const tree of forest) {
    let node = 0;
    while (tree.left[node] !== -1) {
      const child = childOf(tree, node, row);
      const feature = tree.feature[node] as number;
      const step = (tree.mean[child] as number) - (tree.mean[node] as number);
      found[feature] = (found[feature] as number) + sign * step;
      node = child;
    }
  }
}
