import { rankByScore } from './metrics.ts';

/**
 * From scores to probabilities: a line through the points (`scores[i]`, `probabilities[i]`), both rising,
 * level outside of them. A thousandth of the score itself is mixed in, so that two different scores never
 * get the same probability: calibration changes no order, and no metric of rank.
 */
export interface Calibration {
  readonly scores: readonly number[];
  readonly probabilities: readonly number[];
}

/**
 * Isotonic regression (pool adjacent violators) of what happened on the score; each pool becomes a point at
 * the mean of its scores. One positive below all rows and one negative above them are imagined, so that no
 * pool says exactly 0 or 1. Fit it on rows later than those of the training. Pure.
 */
export function fitCalibration(scores: Float64Array, positives: Uint8Array): Calibration {
  const pools = poolAdjacentViolators(stepsOf(scores, positives)).filter(({ scored }) => scored > 0);
  return {
    scores: pools.map(({ scoreSum, scored }) => scoreSum / scored),
    probabilities: pools.map(({ positives: hits, rows }) => hits / rows),
  };
}

/** The probability of a score in [0, 1]. Pure. */
export function calibrate(calibration: Calibration, score: number): number {
  return (1 - SCORE_SHARE) * interpolate(calibration, score) + SCORE_SHARE * score;
}

// === Helpers ===

const SCORE_SHARE = 0.001;

interface Pool {
  /** Sum over the rows that have a score: the imagined rows have none. */
  readonly scoreSum: number;
  readonly scored: number;
  readonly positives: number;
  readonly rows: number;
}

/** Equal scores are one pool from the start; rising. */
function stepsOf(scores: Float64Array, positives: Uint8Array): Pool[] {
  const { order, ends } = rankByScore(scores);
  const steps = Array.from(ends, (end, step) => {
    const rows = order.subarray(step === 0 ? 0 : ends[step - 1], end);
    const score = scores[rows[0] ?? 0] ?? Number.NaN;
    const hits = rows.reduce((sum, row) => sum + (positives[row] ?? 0), 0);
    return { scoreSum: score * rows.length, scored: rows.length, positives: hits, rows: rows.length };
  });
  const imagined = { scoreSum: 0, scored: 0, rows: 1 };
  return [{ ...imagined, positives: 1 }, ...steps.reverse(), { ...imagined, positives: 0 }];
}

function poolAdjacentViolators(steps: readonly Pool[]): Pool[] {
  const pools: Pool[] = [];
  for (const step of steps) {
    let last = step;
    for (
      let before = pools.at(-1);
      before !== undefined && rateOf(before) >= rateOf(last);
      before = pools.at(-1)
    ) {
      last = merged(before, last);
      pools.pop();
    }
    pools.push(last);
  }
  return pools;
}

function rateOf({ positives, rows }: Pool): number {
  return positives / rows;
}

function merged(a: Pool, b: Pool): Pool {
  return {
    scoreSum: a.scoreSum + b.scoreSum,
    scored: a.scored + b.scored,
    positives: a.positives + b.positives,
    rows: a.rows + b.rows,
  };
}

function interpolate({ scores, probabilities }: Calibration, score: number): number {
  const [first, last] = [probabilities[0] ?? Number.NaN, probabilities.at(-1) ?? Number.NaN];
  if (!(score > (scores[0] ?? Number.NaN))) return Number.isNaN(score) ? Number.NaN : first;
  const above = firstAbove(scores, score);
  if (above === scores.length) return last;
  const [x0 = 0, x1 = 0] = [scores[above - 1], scores[above]];
  const [y0 = 0, y1 = 0] = [probabilities[above - 1], probabilities[above]];
  return y0 + ((score - x0) / (x1 - x0)) * (y1 - y0);
}

/** Index of the first element > `value`, by halving. */
function firstAbove(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
