import { expect, test } from 'vitest';
import { pairedGain } from '../../../scoring/training/bootstrap.ts';
import { seededRandom } from '../../../scoring/training/random.ts';

const ROWS = 2_000;
const random = seededRandom(11);
const positives = Uint8Array.from({ length: ROWS }, () => Number(random() < 0.1));
const noise = Float64Array.from({ length: ROWS }, () => random());
const good = noise.map((value, row) => value + positives[row]! * 0.8);
const better = noise.map((value, row) => value + positives[row]!);
const alone = Array.from({ length: ROWS }, (_, row) => `e${row}`);
const common = { positives, resamples: 200, seed: 4 };

test('a scoring against itself gains exactly nothing in every resample', () => {
  const gain = pairedGain({ ...common, champion: good, challenger: good, entities: alone });
  expect(gain).toEqual({ gain: 0, lower: 0, upper: 0, resamples: 200, entities: ROWS });
});

test('a small gain is beyond chance when it is paired, and a loss is its mirror', () => {
  const gain = pairedGain({ ...common, champion: good, challenger: better, entities: alone });
  const loss = pairedGain({ ...common, champion: better, challenger: good, entities: alone });
  expect(gain.lower).toBeGreaterThan(0);
  expect(gain.lower).toBeLessThan(gain.gain);
  expect(gain.gain).toBeLessThan(gain.upper);
  expect(loss.upper).toBeLessThan(0);
  expect(loss.gain).toBe(-gain.gain);
});

test('rows of one entity are drawn together: few entities prove less than many', () => {
  // The challenger is better for the rows of one entity of ten, and worse for all others.
  const few = Array.from({ length: ROWS }, (_, row) => `e${Math.floor(row / 200)}`);
  const lopsided = noise.map((value, row) => value + positives[row]! * (row < 200 ? 9 : 0.7));
  const width = (entities: readonly string[]) => {
    const { lower, upper } = pairedGain({ ...common, champion: good, challenger: lopsided, entities });
    return upper - lower;
  };
  expect(width(few)).toBeGreaterThan(1.5 * width(alone));
});

test('a resample without positives is a loss, so one positive entity proves nothing', () => {
  const rare = Uint8Array.from({ length: ROWS }, (_, row) => Number(row === 0));
  const { lower } = pairedGain({
    ...common,
    positives: rare,
    champion: noise,
    challenger: noise.map((value, row) => value + rare[row]!),
    entities: alone,
  });
  expect(lower).toBe(Number.NEGATIVE_INFINITY);
});

test('equal seeds give equal intervals', () => {
  const options = { ...common, champion: good, challenger: better, entities: alone };
  expect(pairedGain(options)).toEqual(pairedGain(options));
  expect(pairedGain({ ...options, seed: 5 }).lower).not.toBe(pairedGain(options).lower);
});
