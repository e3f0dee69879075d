import { expect, test } from 'vitest';
import { isFault } from '../../../infra/core/errorCatalog.ts';
import { seededRandom } from '../../../scoring/training/random.ts';
import { type RowSet, requireSlices, requireTimeOrder, rowsHash } from '../../../scoring/training/rowSet.ts';
import { pickRows, slicesOf, worldOf } from './synthetic.ts';

function codeOf(action: () => void, code: 'TRAINING_ROWS_INVALID' | 'TRAINING_SPLIT_NOT_BY_TIME'): string {
  try {
    action();
  } catch (error) {
    if (isFault(error, code)) return error.message;
    throw error;
  }
  return 'nothing was thrown';
}

test('three slices in order of time pass', () => {
  expect(() => requireSlices(slicesOf(200))).not.toThrow();
});

test('a random split of the same rows is refused', () => {
  const set = worldOf({ rows: 100, seed: 1 });
  const random = seededRandom(2);
  const [train, test]: [number[], number[]] = [[], []];
  for (let row = 0; row < 100; row += 1) (random() < 0.7 ? train : test).push(row);
  const message = codeOf(
    () => requireTimeOrder([pickRows(set, train), { ...pickRows(set, test), name: 'validation' }]),
    'TRAINING_SPLIT_NOT_BY_TIME',
  );
  expect(message).toContain('they are not split by time');
});

test('one shared instant is enough to be refused, one millisecond apart is not', () => {
  const at = (name: string, ...timesMs: number[]): RowSet => ({
    ...worldOf({ rows: timesMs.length, seed: 1, name }),
    eventTimesMs: Float64Array.from(timesMs),
  });
  expect(
    codeOf(
      () => requireTimeOrder([at('training', 2, 1), at('validation', 3, 2)]),
      'TRAINING_SPLIT_NOT_BY_TIME',
    ),
  ).toContain('the training rows reach 1970-01-01T00:00:00.002Z, but the validation rows begin at');
  expect(() => requireTimeOrder([at('training', 2, 1), at('validation', 4, 3)])).not.toThrow();
});

test('the calibration slice may not overlap either of its neighbours', () => {
  const { training, calibration, validation } = slicesOf(200);
  const early = { ...calibration, eventTimesMs: training.eventTimesMs };
  const late = { ...calibration, eventTimesMs: validation.eventTimesMs };
  for (const wrong of [early, late]) {
    const slices = { training, calibration: wrong, validation };
    expect(codeOf(() => requireSlices(slices), 'TRAINING_SPLIT_NOT_BY_TIME')).toContain('calibration rows');
  }
});

const set = worldOf({ rows: 50, seed: 1 });

test.each<[string, Partial<RowSet>, string]>([
  ['no rows', pickRows(set, []), 'it is empty'],
  ['values of another width', { values: set.values.slice(1) }, '199 values are not 50 rows of 4 features'],
  ['a time too few', { eventTimesMs: set.eventTimesMs.slice(1) }, '49 eventTimesMs for 50 rows'],
  ['an entity too many', { entities: [...set.entities, 'x'] }, '51 entities for 50 rows'],
  ['an infinity', { values: set.values.with(3, Number.NEGATIVE_INFINITY) }, 'a value is infinite'],
  ['a class without a name', { classes: set.classes.with(0, 3) }, 'a class has no name'],
  ['a missing time', { knownAtMs: set.knownAtMs.with(0, Number.NaN) }, 'a time is missing'],
  ['no positives', { classes: new Uint8Array(50) }, '0 of 50 rows are positive'],
  ['only positives', { classes: new Uint8Array(50).fill(1) }, '50 of 50 rows are positive'],
])('%s: refused in words', (_, wrong, detail) => {
  const training = { ...set, ...wrong };
  const slices = { ...slicesOf(50), training };
  expect(codeOf(() => requireSlices(slices), 'TRAINING_ROWS_INVALID')).toContain(detail);
});

test('slices of other features are refused', () => {
  const slices = { ...slicesOf(50), validation: slicesOf(50, { canary: () => 1 }).validation };
  expect(codeOf(() => requireSlices(slices), 'TRAINING_ROWS_INVALID')).toContain('other features or classes');
});

test('the hash of rows changes with any value, class, time or name, and with nothing else', () => {
  const hash = rowsHash(set);
  expect(rowsHash({ ...set, values: set.values.slice() })).toBe(hash);
  const changed = [
    { values: set.values.with(7, 99) },
    { classes: set.classes.with(0, 2) },
    { eventTimesMs: set.eventTimesMs.with(0, 1) },
    { knownAtMs: set.knownAtMs.with(0, 1) },
    { featureNames: ['a', 'b', 'c', 'e'] },
  ].map((change) => rowsHash({ ...set, ...change }));
  expect(new Set([hash, ...changed]).size).toBe(6);
});
