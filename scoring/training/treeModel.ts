import { z } from 'zod';
import { fault } from '../../infra/core/errorCatalog.ts';

/**
 * One tree as parallel arrays over its nodes; node 0 is the root, a left child of -1 marks a leaf. A
 * row goes left when its value is below the threshold (`<`), and where `defaultLeft` says so when missing.
 */
export interface Tree {
  /** The class whose margin the leaf is added to. */
  readonly classIndex: number;
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly feature: readonly number[];
  /** Threshold of a split, value of a leaf; float32. */
  readonly value: readonly number[];
  readonly defaultLeft: readonly boolean[];
}

/** A gradient-boosted forest: softmax over `baseMargins[class]` + the leaves of the class's trees. */
export interface TreeModel {
  readonly featureCount: number;
  readonly baseMargins: readonly number[];
  readonly trees: readonly Tree[];
}

/** Reads what libxgboost saved. @throws MODEL_JSON_UNSUPPORTED for anything but plain softprob trees */
export function parseTreeModel(json: Uint8Array): TreeModel {
  const parsed = schema.safeParse(JSON.parse(new TextDecoder().decode(json)));
  if (!parsed.success)
    throw unsupported(parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; '));
  const { learner_model_param: parameters, gradient_booster } = parsed.data.learner;
  const { tree_info, trees } = gradient_booster.model;
  if (tree_info.length !== trees.length) throw unsupported('tree_info does not name a class for each tree');
  const classCount = Number(parameters.num_class);
  return {
    featureCount: Number(parameters.num_feature),
    baseMargins: baseMarginsOf(parameters.base_score, classCount),
    trees: trees.map((tree, index) => ({
      classIndex: tree_info[index] ?? 0,
      left: tree.left_children,
      right: tree.right_children,
      feature: tree.split_indices,
      value: tree.split_conditions.map(Math.fround),
      defaultLeft: tree.default_left.map(Boolean),
    })),
  };
}

// === Helpers ===

const indexes = z.array(z.number().int());

/** The parts that are read; libxgboost writes more, and other versions other things. */
const schema = z.object({
  learner: z.object({
    learner_model_param: z.object({
      base_score: z.string(),
      num_class: z.string().regex(/^([2-9]|\d\d+)$/, 'expected at least two classes'),
      num_feature: z.string().regex(/^\d+$/),
    }),
    objective: z.object({ name: z.literal('multi:softprob') }),
    gradient_booster: z.object({
      name: z.literal('gbtree'),
      model: z.object({
        gbtree_model_param: z.object({ num_parallel_tree: z.literal('1') }),
        tree_info: indexes,
        trees: z.array(
          z.object({
            left_children: indexes,
            right_children: indexes,
            split_indices: indexes,
            split_conditions: z.array(z.number()),
            default_left: z.array(z.union([z.number(), z.boolean()])),
            split_type: z.array(z.literal(0, 'a split on categories')),
            tree_param: z.object({ size_leaf_vector: z.enum(['0', '1']) }),
          }),
        ),
      }),
    }),
  }),
});

/** One number for all classes (`5E-1`), or from 3.1 on one margin a class (`[1E0,…]`). */
function baseMarginsOf(text: string, classCount: number): number[] {
  const given = text
    .replace(/^\[|\]$/g, '')
    .split(',')
    .map(Number);
  const margins = given.length === 1 ? new Array<number>(classCount).fill(given[0] ?? Number.NaN) : given;
  if (margins.length !== classCount || !margins.every(Number.isFinite))
    throw unsupported(`base_score is ${text}`);
  return margins.map(Math.fround);
}

function unsupported(detail: string) {
  return fault('MODEL_JSON_UNSUPPORTED', { detail });
}
