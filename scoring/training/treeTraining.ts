import type { RowSet } from './rowSet.ts';
import type { Xgboost } from './xgboostLibrary.ts';

/** How the forest is grown. Equal options and rows give equal bytes. */
export interface TreeOptions {
  /** Trees a class. */
  readonly rounds: number;
  readonly maxDepth: number;
  /** Share of each tree's answer that is added. */
  readonly learningRate: number;
  /** Least sum of second derivatives in a leaf: how much evidence it needs. */
  readonly minChildWeight: number;
  /** Share of the rows that each tree sees, in (0, 1]. */
  readonly subsample: number;
  readonly seed: number;
  /** 1 unless measured otherwise: sums of floats in another order may end in another last bit. */
  readonly threads: number;
}

/** The best of eleven settings by AP on a calibration slice of the Handbook's data: a start, tuned for nothing else. */
export const DEFAULT_TREES: TreeOptions = Object.freeze({
  rounds: 30,
  maxDepth: 6,
  learningRate: 0.15,
  minChildWeight: 1,
  subsample: 1,
  seed: 42,
  threads: 1,
});

/**
 * Grows `rounds` trees for each class of `set` (multi:softprob) and returns libxgboost's JSON. Blocks
 * for its whole duration. @throws XGBOOST_FAILED
 */
export function trainTrees(xgboost: Xgboost, set: RowSet, options: TreeOptions): Uint8Array {
  return xgboost.train({
    rows: { values: set.values, featureCount: set.featureNames.length },
    labels: Float32Array.from(set.classes),
    rounds: options.rounds,
    parameters: {
      objective: 'multi:softprob',
      num_class: set.classNames.length,
      tree_method: 'hist',
      max_depth: options.maxDepth,
      eta: options.learningRate,
      min_child_weight: options.minChildWeight,
      subsample: options.subsample,
      seed: options.seed,
      nthread: options.threads,
      verbosity: 0,
    },
  });
}

/** 1 − p(class 0) of row-major probabilities: how much each row is what is searched for. Pure. */
export function scoresOf(probabilities: Float32Array, classCount: number): Float64Array {
  const scores = new Float64Array(probabilities.length / classCount);
  for (let row = 0; row < scores.length; row += 1)
    scores[row] = 1 - (probabilities[row * classCount] ?? Number.NaN);
  return scores;
}
