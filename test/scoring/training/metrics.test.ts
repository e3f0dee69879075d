import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  averagePrecision,
  brierScore,
  calibrationError,
  prevalenceOf,
  rankByScore,
  recallAtFpr,
  reliability,
  rocAuc,
} from '../../../scoring/training/metrics.ts';

/** Few different scores, so that ties are common; at least one row of each kind. */
const judgedRows = fc
  .array(fc.record({ score: fc.integer({ min: 0, max: 6 }), positive: fc.integer({ min: 0, max: 1 }) }), {
    minLength: 2,
    maxLength: 40,
  })
  .filter((rows) => new Set(rows.map(({ positive }) => positive)).size === 2)
  .map((rows) => ({
    scores: Float64Array.from(rows, ({ score }) => score),
    positives: Uint8Array.from(rows, ({ positive }) => positive),
  }));

test('average precision takes equal scores as one step', () => {
  // Steps: .9 (1 of 1), .5 (2 of 3 in all), .1 (3 of 5): 1/3·1 + 1/3·2/3 + 1/3·3/5.
  const ranking = rankByScore(Float64Array.of(0.5, 0.9, 0.1, 0.5, 0.1));
  const positives = Uint8Array.of(1, 1, 0, 0, 1);
  expect(averagePrecision(ranking, { positives })).toBeCloseTo((1 + 2 / 3 + 3 / 5) / 3, 12);
});

test('one score for all rows has the prevalence as its average precision', () => {
  const positives = Uint8Array.of(1, 0, 0, 0);
  expect(averagePrecision(rankByScore(new Float64Array(4)), { positives })).toBe(0.25);
  expect(prevalenceOf(positives)).toBe(0.25);
});

test('average precision and ROC-AUC equal their definitions, written naively', () => {
  fc.assert(
    fc.property(judgedRows, ({ scores, positives }) => {
      const ranking = rankByScore(scores);
      expect(averagePrecision(ranking, { positives })).toBeCloseTo(naivePrecision(scores, positives), 10);
      expect(rocAuc(ranking, { positives })).toBeCloseTo(naiveAuc(scores, positives), 10);
    }),
  );
});

test('a weight of n counts as n equal rows, and 0 as none', () => {
  fc.assert(
    fc.property(
      judgedRows,
      fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
      ({ scores, positives }, stream) => {
        const weights = Uint32Array.from(scores, () => stream.next().value);
        const repeated = [...scores.keys()].flatMap((row) => new Array<number>(weights[row]!).fill(row));
        fc.pre(repeated.some((row) => positives[row] === 1));
        const again = averagePrecision(rankByScore(Float64Array.from(repeated, (row) => scores[row]!)), {
          positives: Uint8Array.from(repeated, (row) => positives[row]!),
        });
        expect(averagePrecision(rankByScore(scores), { positives, weights })).toBeCloseTo(again, 10);
      },
    ),
  );
});

test('recall at a false-positive rate is that of the last point within it, never interpolated', () => {
  const ranking = rankByScore(Float64Array.of(9, 8, 7, 7, 6, 5));
  const positives = Uint8Array.of(1, 0, 1, 0, 1, 0);
  expect(recallAtFpr(ranking, { positives }, 0)).toBeCloseTo(1 / 3);
  expect(recallAtFpr(ranking, { positives }, 1 / 3)).toBeCloseTo(1 / 3);
  expect(recallAtFpr(ranking, { positives }, 2 / 3)).toBe(1);
});

test('a NaN score is refused instead of being sorted somewhere', () => {
  expect(() => rankByScore(Float64Array.of(1, Number.NaN))).toThrow('a score is NaN');
});

test('Brier score and reliability bands say what was said and what came', () => {
  const probabilities = Float64Array.of(0.1, 0.9, 0.8, 0.2);
  const positives = Uint8Array.of(0, 1, 0, 0);
  expect(brierScore(probabilities, positives)).toBeCloseTo((0.01 + 0.01 + 0.64 + 0.04) / 4, 12);
  const bands = reliability(probabilities, positives, { share: 0.5, bands: 2 });
  expect(bands).toEqual([
    { rows: 1, said: 0.8, came: 0 },
    { rows: 1, said: 0.9, came: 1 },
  ]);
  expect(calibrationError(bands)).toBeCloseTo((0.8 + 0.1) / 2, 12);
});

/** Σ over thresholds of recall gained × precision. */
function naivePrecision(scores: Float64Array, positives: Uint8Array): number {
  const all = positives.filter((positive) => positive === 1).length;
  let [sum, before] = [0, 0];
  for (const threshold of [...new Set(scores)].toSorted((a, b) => b - a)) {
    const taken = [...positives].filter((_, row) => scores[row]! >= threshold);
    const hits = taken.filter((positive) => positive === 1).length;
    sum += ((hits - before) / all) * (hits / taken.length);
    before = hits;
  }
  return sum;
}

/** Share of pairs in the right order, ties half. */
function naiveAuc(scores: Float64Array, positives: Uint8Array): number {
  const of = (kind: number) => [...scores].filter((_, row) => positives[row] === kind);
  const pairs = of(1).flatMap((high) => of(0).map((low) => (high > low ? 1 : high === low ? 0.5 : 0)));
  return pairs.reduce<number>((sum, won) => sum + won, 0) / pairs.length;
}
