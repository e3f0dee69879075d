import fc from 'fast-check';
import { expect, test } from 'vitest';
import { calibrate, fitCalibration } from '../../../scoring/training/calibration.ts';
import { averagePrecision, brierScore, rankByScore } from '../../../scoring/training/metrics.ts';
import { seededRandom } from '../../../scoring/training/random.ts';

/** Scores whose true rate is their square: too high everywhere. */
function squareWorld(rows: number, seed: number) {
  const random = seededRandom(seed);
  const scores = Float64Array.from({ length: rows }, () => Math.fround(random()));
  return { scores, positives: Uint8Array.from(scores, (score) => Number(random() < score * score)) };
}

test('rows that violate the order are pooled, and each pool is a point at its mean score', () => {
  const calibration = fitCalibration(
    Float64Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    Uint8Array.of(0, 0, 0, 1, 0, 1, 1, 1),
  );
  // The imagined positive joins the first three rows, the imagined negative the last three.
  expect(calibration.probabilities).toEqual([0.25, 0.5, 0.75]);
  expect(calibration.scores[0]).toBeCloseTo(0.2);
  expect(calibration.scores[1]).toBeCloseTo(0.45);
  expect(calibration.scores[2]).toBeCloseTo(0.7);
});

test('fitted on one slice it says the truth on a later one', () => {
  const calibration = fitCalibration(
    ...(Object.values(squareWorld(20_000, 1)) as [Float64Array, Uint8Array]),
  );
  const { scores, positives } = squareWorld(20_000, 2);
  const probabilities = scores.map((score) => calibrate(calibration, score));
  for (const score of [0.1, 0.3, 0.5, 0.7, 0.9]) {
    expect(Math.abs(calibrate(calibration, score) - score * score)).toBeLessThan(0.05);
  }
  expect(brierScore(probabilities, positives)).toBeLessThan(brierScore(scores, positives) - 0.02);
});

test('calibration changes no order and no average precision, whatever it was fitted on', () => {
  const world = fc.record({
    scores: fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 60 }),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(world, ({ scores: given, seed }) => {
      const scores = Float64Array.from(given, (score) => 1 - Math.fround(1 - score));
      const random = seededRandom(seed);
      const positives = Uint8Array.from(scores, () => Number(random() < 0.3));
      const calibration = fitCalibration(scores, positives);
      const probabilities = scores.map((score) => calibrate(calibration, score));
      expect(probabilities.every((p) => p > 0 && p < 1)).toBe(true);
      expect(rankByScore(probabilities).ends).toEqual(rankByScore(scores).ends);
      const judged = { positives };
      expect(averagePrecision(rankByScore(probabilities), judged)).toEqual(
        averagePrecision(rankByScore(scores), judged),
      );
    }),
  );
});

test('a NaN score stays NaN', () => {
  expect(calibrate(fitCalibration(Float64Array.of(0.1, 0.9), Uint8Array.of(0, 1)), Number.NaN)).toBeNaN();
});
