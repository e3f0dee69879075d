import { fault } from '../../infra/core/errorCatalog.ts';

/**
 * Rows in falling order of score, equal scores as one step: `ends[i]` is the position after the last
 * row of step i. All metrics of rank stand on it, so that the order among equals never matters.
 */
export interface Ranking {
  readonly order: Uint32Array;
  readonly ends: Uint32Array;
}

/** Sorts once. Pure. @throws TRAINING_ROWS_INVALID when a score is NaN */
export function rankByScore(scores: Float64Array): Ranking {
  if (scores.some(Number.isNaN))
    throw fault('TRAINING_ROWS_INVALID', { name: 'scores', detail: 'a score is NaN' });
  const order = Uint32Array.from(scores, (_, row) => row);
  order.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
  const ends: number[] = [];
  for (let at = 1; at <= order.length; at += 1) {
    if (at === order.length || scores[order[at] ?? 0] !== scores[order[at - 1] ?? 0]) ends.push(at);
  }
  return { order, ends: Uint32Array.from(ends) };
}

/** Which rows are positive (1 or 0), and how often each counts (once when not given). */
export interface Judged {
  readonly positives: Uint8Array;
  readonly weights?: Uint32Array;
}

/** Average precision: Σ (recall gained × precision) over the steps; NaN without positives. Pure. */
export function averagePrecision(ranking: Ranking, judged: Judged): number {
  let [before, sum] = [0, 0];
  forEachStep(ranking, judged, (truePositives, falsePositives) => {
    if (truePositives > before) {
      sum += ((truePositives - before) * truePositives) / (truePositives + falsePositives);
    }
    before = truePositives;
  });
  return sum / before;
}

/** Area under the ROC curve, trapezoids over steps: ties count half. Pure. */
export function rocAuc(ranking: Ranking, judged: Judged): number {
  let [area, positives, negatives] = [0, 0, 0];
  forEachStep(ranking, judged, (truePositives, falsePositives) => {
    area += ((falsePositives - negatives) * (truePositives + positives)) / 2;
    [positives, negatives] = [truePositives, falsePositives];
  });
  return area / (positives * negatives);
}

/** Recall at the last step whose false-positive rate is ≤ `maxFpr` (0 when there is none). Pure. */
export function recallAtFpr(
  ranking: Ranking,
  judged: { readonly positives: Uint8Array },
  maxFpr: number,
): number {
  const all = judged.positives.length;
  const positives = prevalenceOf(judged.positives) * all;
  let found = 0;
  forEachStep(ranking, judged, (truePositives, falsePositives) => {
    if (falsePositives <= maxFpr * (all - positives)) found = truePositives;
  });
  return found / positives;
}

/** Share of positive rows. Pure. */
export function prevalenceOf(positives: Uint8Array): number {
  return positives.reduce((sum, positive) => sum + positive, 0) / positives.length;
}

/** Mean squared distance of probabilities from what happened. Pure. */
export function brierScore(probabilities: Float64Array, positives: Uint8Array): number {
  const sum = probabilities.reduce((all, p, row) => all + (p - (positives[row] ?? 0)) ** 2, 0);
  return sum / probabilities.length;
}

/** One band of a reliability table. */
export interface ReliabilityBand {
  readonly rows: number;
  /** Mean of the probabilities that were said. */
  readonly said: number;
  /** Share of positives that came. */
  readonly came: number;
}

/**
 * Rows with the highest `share` of probabilities, in `bands` of equal size (the first bands hold the
 * lowest). Pure.
 */
export function reliability(
  probabilities: Float64Array,
  positives: Uint8Array,
  { share, bands }: { readonly share: number; readonly bands: number },
): ReliabilityBand[] {
  const order = rankByScore(probabilities).order;
  const rows = order.slice(0, Math.max(1, Math.round(order.length * share))).reverse();
  return Array.from({ length: Math.min(bands, rows.length) }, (_, band) => {
    const part = rows.slice(bandStart(band, bands, rows.length), bandStart(band + 1, bands, rows.length));
    const mean = (of: (row: number) => number) => part.reduce((sum, row) => sum + of(row), 0) / part.length;
    return {
      rows: part.length,
      said: mean((row) => probabilities[row] ?? Number.NaN),
      came: mean((row) => positives[row] ?? Number.NaN),
    };
  });
}

/** Expected calibration error: Σ rows × |said − came| / rows over the bands. Pure. */
export function calibrationError(bands: readonly ReliabilityBand[]): number {
  const rows = bands.reduce((sum, band) => sum + band.rows, 0);
  return bands.reduce((sum, band) => sum + band.rows * Math.abs(band.said - band.came), 0) / rows;
}

// === Helpers ===

/** Calls `visit` after each step with the true and false positives so far. */
// hot path
function forEachStep(
  ranking: Ranking,
  { positives, weights }: Judged,
  visit: (truePositives: number, falsePositives: number) => void,
): void {
  let [taken, truePositives, falsePositives] = [0, 0, 0];
  for (const end of ranking.ends) {
    for (; taken < end; taken += 1) {
      const row = ranking.order[taken] ?? 0;
      const weight = weights === undefined ? 1 : (weights[row] ?? 0);
      if (positives[row] === 1) truePositives += weight;
      else falsePositives += weight;
    }
    visit(truePositives, falsePositives);
  }
}

function bandStart(band: number, bands: number, rows: number): number {
  return Math.floor((band * rows) / Math.min(bands, rows));
}
