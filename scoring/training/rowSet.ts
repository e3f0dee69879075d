import { createHash } from 'node:crypto';
import { fault } from '../../infra/core/errorCatalog.ts';

/** Events with their feature vectors and classes, as an extract hands them to the trainer. */
export interface RowSet {
  /** For messages: `training`, `calibration`, `validation`. */
  readonly name: string;
  /** In the order of the columns of `values`. */
  readonly featureNames: readonly string[];
  /** Row-major, one float32 a feature; missing is NaN, infinities are refused. */
  readonly values: Float32Array;
  /** Names of the classes; class 0 is the regular one, all others are what is searched for. */
  readonly classNames: readonly string[];
  /** Index into `classNames`, one a row. */
  readonly classes: Uint8Array;
  /** Event time, ms since 1970 UTC, one a row. */
  readonly eventTimesMs: Float64Array;
  /** When the class of the row was known, ms since 1970 UTC, one a row. */
  readonly knownAtMs: Float64Array;
  /** Who acts in each row; rows of one entity are resampled together. */
  readonly entities: readonly string[];
}

/**
 * Every row of a slice is earlier than every row of the next: max(time) < min(time).
 * @throws TRAINING_SPLIT_NOT_BY_TIME
 */
export function requireTimeOrder(slices: readonly RowSet[]): void {
  slices.slice(1).forEach((later, index) => {
    const earlier = slices[index] ?? later;
    const [earlierMax, laterMin] = [maxOf(earlier.eventTimesMs), minOf(later.eventTimesMs)];
    if (earlierMax < laterMin) return;
    throw fault('TRAINING_SPLIT_NOT_BY_TIME', {
      earlier: earlier.name,
      later: later.name,
      earlierMax: new Date(earlierMax).toISOString(),
      laterMin: new Date(laterMin).toISOString(),
    });
  });
}

/** Three slices of one extract, each later than the one before. */
export interface Slices {
  /** The trees and the baselines learn from it. */
  readonly training: RowSet;
  /** Probabilities and thresholds are fitted on it. */
  readonly calibration: RowSet;
  /** Everything that is reported and gated is measured on it, and nothing is chosen by it. */
  readonly validation: RowSet;
}

/**
 * The slices are valid, alike, in order of time, and each has positives to learn from or to find.
 * @throws TRAINING_ROWS_INVALID, TRAINING_SPLIT_NOT_BY_TIME
 */
export function requireSlices({ training, calibration, validation }: Slices): void {
  const slices = [training, calibration, validation];
  for (const set of slices) {
    requireValidRows(set);
    const { name } = set;
    if (headOf(set) !== headOf(training)) {
      throw fault('TRAINING_ROWS_INVALID', {
        name,
        detail: 'it has other features or classes than training',
      });
    }
    const positives = positivesOf(set).reduce((sum, positive) => sum + positive, 0);
    if (positives === 0 || positives === set.classes.length) {
      throw fault('TRAINING_ROWS_INVALID', {
        name,
        detail: `${positives} of ${set.classes.length} rows are positive`,
      });
    }
  }
  requireTimeOrder(slices);
}

/** 1 for each row that is not regular, else 0. Pure. */
export function positivesOf(set: RowSet): Uint8Array {
  return set.classes.map((index) => (index === 0 ? 0 : 1));
}

/** Column `feature` of the matrix, one value a row. Pure. */
export function columnOf(set: RowSet, feature: number): Float32Array {
  const width = set.featureNames.length;
  const column = new Float32Array(set.classes.length);
  for (let row = 0; row < column.length; row += 1)
    column[row] = set.values[row * width + feature] ?? Number.NaN;
  return column;
}

/** SHA-256 over names, values, classes and times: equal rows in equal order, equal hash. Pure. */
export function rowsHash(set: RowSet): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([set.featureNames, set.classNames, set.entities]));
  for (const array of [set.values, set.classes, set.eventTimesMs, set.knownAtMs]) {
    hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  return hash.digest('hex');
}

/** Loops, since a spread over hundreds of thousands of arguments overflows the stack. Pure. */
export function maxOf(values: Float64Array): number {
  return values.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);
}

export function minOf(values: Float64Array): number {
  return values.reduce((min, value) => Math.min(min, value), Number.POSITIVE_INFINITY);
}

// === Helpers ===

/** Values, times and classes fit together. @throws TRAINING_ROWS_INVALID */
function requireValidRows(set: RowSet): void {
  const problem = problemOf(set);
  if (problem !== undefined) throw fault('TRAINING_ROWS_INVALID', { name: set.name, detail: problem });
}

function headOf(set: RowSet): string {
  return JSON.stringify([set.featureNames, set.classNames]);
}

function problemOf(set: RowSet): string | undefined {
  const rows = set.classes.length;
  const lengths = { eventTimesMs: set.eventTimesMs, knownAtMs: set.knownAtMs, entities: set.entities };
  if (rows === 0) return 'it is empty';
  if (set.values.length !== rows * set.featureNames.length) {
    return `${set.values.length} values are not ${rows} rows of ${set.featureNames.length} features`;
  }
  for (const [name, array] of Object.entries(lengths)) {
    if (array.length !== rows) return `${array.length} ${name} for ${rows} rows`;
  }
  if (set.values.some((value) => Math.abs(value) === Number.POSITIVE_INFINITY)) return 'a value is infinite';
  if (set.classes.some((index) => index >= set.classNames.length)) return 'a class has no name';
  if (set.eventTimesMs.some(Number.isNaN) || set.knownAtMs.some(Number.isNaN)) return 'a time is missing';
  return undefined;
}
