import { seededRandom } from '../../../scoring/training/random.ts';
import type { RowSet, Slices } from '../../../scoring/training/rowSet.ts';

/**
 * A small world: four features, one of them often missing, on a coarse grid so that values repeat. Two kinds
 * of positives: `burst` where a and b are both high (no single column tells), `gap` where c is missing and d
 * is low.
 */
const CLASS_NAMES = ['regular', 'burst', 'gap'];
const FEATURES = ['a', 'b', 'c', 'd'];
const DAY_MS = 86_400_000;

export interface World {
  readonly rows: number;
  readonly seed: number;
  readonly name?: string;
  /** The rows are spread evenly over a day that begins here. */
  readonly startMs?: number;
  /** Columns that are made of the class, appended to the features. */
  readonly extra?: Readonly<Record<string, (classIndex: number) => number>>;
}

export function worldOf(world: World): RowSet {
  const { rows, seed, name = 'training', startMs = 0, extra = {} } = world;
  const random = seededRandom(seed);
  const grid = () => Math.floor(random() * 20);
  const values: number[] = [];
  const classes = new Uint8Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const [a, b, c, d] = [grid(), grid(), random() < 0.2 ? Number.NaN : grid(), grid()];
    const noisy = random() < 0.02;
    const index = a >= 14 && b >= 14 ? 1 : Number.isNaN(c) && d < 4 ? 2 : 0;
    classes[row] = noisy ? Math.floor(random() * 3) : index;
    values.push(a, b, c, d, ...Object.values(extra).map((of) => of(classes[row]!)));
  }
  const eventTimesMs = Float64Array.from({ length: rows }, (_, row) => startMs + (row * DAY_MS) / rows);
  return {
    name,
    featureNames: [...FEATURES, ...Object.keys(extra)],
    values: Float32Array.from(values),
    classNames: CLASS_NAMES,
    classes,
    eventTimesMs,
    knownAtMs: eventTimesMs.map((ms) => ms + DAY_MS),
    entities: Array.from({ length: rows }, (_, row) => `e${row % 97}`),
  };
}

/** Three days in a row, with a day between calibration and validation: classes are known a day late. */
export function slicesOf(rows: number, extra: World['extra'] = {}): Slices {
  const slice = (name: string, day: number) =>
    worldOf({ rows, seed: day + 1, name, startMs: day * DAY_MS, extra });
  return {
    training: slice('training', 0),
    calibration: slice('calibration', 1),
    validation: slice('validation', 4),
  };
}

/** The rows of `set` in another order. */
export function pickRows(set: RowSet, rows: readonly number[]): RowSet {
  const width = set.featureNames.length;
  return {
    ...set,
    values: Float32Array.from(
      rows.flatMap((row) => [...set.values.subarray(row * width, (row + 1) * width)]),
    ),
    classes: Uint8Array.from(rows, (row) => set.classes[row]!),
    eventTimesMs: Float64Array.from(rows, (row) => set.eventTimesMs[row]!),
    knownAtMs: Float64Array.from(rows, (row) => set.knownAtMs[row]!),
    entities: rows.map((row) => set.entities[row]!),
  };
}
