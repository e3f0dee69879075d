import { rankByScore } from './metrics.ts';
import type { RowSet } from './rowSet.ts';
import { maxOf, minOf, positivesOf } from './rowSet.ts';

/** A score from which on rows are alerts (≥), and what it did on the rows that it was chosen on. */
export interface AlertThreshold {
  /** Infinity when not even the highest score fits into the budget. */
  readonly threshold: number;
  readonly alerts: number;
}

/** How the rows from a threshold on fare. */
export interface AlertReport {
  readonly alerts: number;
  /** Alerts a row. */
  readonly alertRate: number;
  readonly precision: number;
  readonly recall: number;
  readonly perClass: readonly { readonly name: string; readonly support: number; readonly recall: number }[];
}

/** Alerts that `perDay` allows over the time that the rows span, rounded down. Pure. */
export function budgetOf(set: RowSet, perDay: number): number {
  const spanMs = maxOf(set.eventTimesMs) - minOf(set.eventTimesMs);
  return Math.floor((perDay * spanMs) / 86_400_000);
}

/** The lowest score with at most `maxAlerts` rows at or above it; equal scores go together. Pure. */
export function thresholdForBudget(scores: Float64Array, maxAlerts: number): AlertThreshold {
  const { order, ends } = rankByScore(scores);
  const alerts = ends.findLast((end) => end <= maxAlerts) ?? 0;
  const last = order[alerts - 1];
  return { threshold: last === undefined ? Number.POSITIVE_INFINITY : (scores[last] ?? Number.NaN), alerts };
}

/**
 * The lowest score from which on at least `precision` of the rows are positive, and at least `minRows`
 * rows are; undefined when there is none. Pure.
 */
export function thresholdForPrecision(
  scores: Float64Array,
  positives: Uint8Array,
  { precision, minRows }: { readonly precision: number; readonly minRows: number },
): number | undefined {
  const { order, ends } = rankByScore(scores);
  let [hits, row] = [0, 0];
  let lowest: number | undefined;
  for (const end of ends) {
    for (; row < end; row += 1) hits += positives[order[row] ?? 0] ?? 0;
    if (end >= minRows && hits >= precision * end) lowest = scores[order[end - 1] ?? 0];
  }
  return lowest;
}

/** Precision and recall of `scores ≥ threshold`, recall of each class with its support. Pure. */
export function reportAlerts(set: RowSet, scores: Float64Array, threshold: number): AlertReport {
  const [support, found] = [set.classNames.map(() => 0), set.classNames.map(() => 0)];
  set.classes.forEach((index, row) => {
    support[index] = (support[index] ?? 0) + 1;
    if ((scores[row] ?? Number.NaN) >= threshold) found[index] = (found[index] ?? 0) + 1;
  });
  const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);
  const [alerts, hits] = [sum(found), sum(found.slice(1))];
  return {
    alerts,
    alertRate: alerts / set.classes.length,
    precision: hits / alerts,
    recall: hits / sum(support.slice(1)),
    perClass: set.classNames.slice(1).map((name, index) => ({
      name,
      support: support[index + 1] ?? 0,
      recall: (found[index + 1] ?? 0) / (support[index + 1] ?? 0),
    })),
  };
}

/**
 * Entity precision at k: each day the entities that were found on earlier days are left out, an entity's
 * score is its highest, and of the k highest the share that is positive that day counts (always of k); the
 * mean over the days. `days`: day number of each row. Pure.
 */
export function entityPrecisionAt(
  k: number,
  set: RowSet,
  scores: Float64Array,
  days: readonly number[],
): number {
  const found = new Set<string>();
  const precisions = [...new Set(days)]
    .toSorted((a, b) => a - b)
    .map((day) => {
      const hits = topEntities(k, { set, scores, days, day, without: found });
      for (const entity of hits) found.add(entity);
      return hits.length / k;
    });
  return precisions.reduce((sum, precision) => sum + precision, 0) / precisions.length;
}

// === Helpers ===

/** The positive ones among the k entities of a day with the highest scores. */
function topEntities(
  k: number,
  on: {
    readonly set: RowSet;
    readonly scores: Float64Array;
    readonly days: readonly number[];
    readonly day: number;
    readonly without: ReadonlySet<string>;
  },
): string[] {
  const positives = positivesOf(on.set);
  const best = new Map<string, { score: number; positive: boolean }>();
  on.set.entities.forEach((entity, row) => {
    if (on.days[row] !== on.day || on.without.has(entity)) return;
    const before = best.get(entity) ?? { score: Number.NEGATIVE_INFINITY, positive: false };
    best.set(entity, {
      score: Math.max(before.score, on.scores[row] ?? Number.NaN),
      positive: before.positive || positives[row] === 1,
    });
  });
  return [...best]
    .toSorted(([, a], [, b]) => b.score - a.score)
    .slice(0, k)
    .filter(([, { positive }]) => positive)
    .map(([entity]) => entity);
}
