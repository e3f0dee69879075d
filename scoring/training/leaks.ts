import { averagePrecision, rankByScore } from './metrics.ts';
import { shuffled } from './random.ts';
import { columnOf, positivesOf, type RowSet } from './rowSet.ts';

/** How well one feature alone ranks the rows. */
export interface FeatureStrength {
  readonly feature: string;
  readonly averagePrecision: number;
}

/**
 * Each feature's own average precision, the best of three: high first, low first, missing first. The
 * strongest come first. Pure.
 */
export function featureStrengths(set: RowSet): FeatureStrength[] {
  const positives = positivesOf(set);
  const precisionOf = (scores: Float64Array) => averagePrecision(rankByScore(scores), { positives });
  return set.featureNames
    .map((feature, index) => {
      const column = columnOf(set, index);
      const ways = [
        Float64Array.from(column, (value) => (Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value)),
        Float64Array.from(column, (value) => (Number.isNaN(value) ? Number.NEGATIVE_INFINITY : -value)),
        Float64Array.from(column, (value) => Number(Number.isNaN(value))),
      ];
      return { feature, averagePrecision: Math.max(...ways.map(precisionOf)) };
    })
    .toSorted((a, b) => b.averagePrecision - a.averagePrecision);
}

/** A copy whose classes are dealt out anew: whatever is found in it was not there. Pure. */
export function withShuffledClasses(set: RowSet, seed: number): RowSet {
  return { ...set, classes: shuffled(set.classes, seed) };
}

/** What a model that was trained on shuffled classes reaches on shuffled classes, and what chance reaches. */
export interface ShuffleCheck {
  readonly averagePrecision: number;
  /** The highest of `CHANCE_DRAWS` average precisions of the same scores on other shuffles. */
  readonly chanceLimit: number;
}

/**
 * Judges `scores` (of a model trained on `withShuffledClasses`) on the shuffled classes of `validation`. Both
 * sides are shuffled apart, so chance is known exactly: above its limit, what is measured is not what
 * was learnt, as when rows of one side are also on the other. Pure for a given seed.
 */
export function checkShuffled(scores: Float64Array, validation: RowSet, seed: number): ShuffleCheck {
  const ranking = rankByScore(scores);
  const positives = positivesOf(validation);
  const chance = Array.from({ length: CHANCE_DRAWS }, (_, draw) =>
    averagePrecision(ranking, { positives: shuffled(positives, seed + 1 + draw) }),
  );
  return {
    averagePrecision: averagePrecision(ranking, { positives }),
    chanceLimit: Math.max(...chance),
  };
}

// === Helpers ===

const CHANCE_DRAWS = 400;
