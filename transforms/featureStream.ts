import type { Aggregation, StreamStatus } from './feature.ts';
import { type Expression, operationOf } from './featureExpression.ts';
import { compileInputs, type FeatureRecord, textNumber } from './featureInputs.ts';
import { type Evaluate, MAX_FLOAT32 } from './featureOperations.ts';
import { createRing, isHeld, push, type Ring } from './featureRing.ts';
import type { Feature, FeatureSet } from './featureSet.ts';
import {
  compileAggregate,
  compileReach,
  compileSelect,
  compileSums,
  createPicked,
  type Picked,
  type Sums,
  type WindowRead,
} from './featureWindow.ts';
import { createGoldReader, type GoldReading } from './goldStream.ts';
import type { GoldView } from './goldView.ts';

/** The windows of one partition of one topic; records come in the order of their places. */
export interface StreamState {
  /**
   * The vector of a record into `vector` (float32, NaN where missing), then the record joins the windows.
   * Features on windows are missing when the status is `TOO_LATE`.
   */
  next(record: FeatureRecord, vector: Float32Array): StreamStatus;
  /** The record joins the windows; nothing is computed. */
  fold(record: FeatureRecord): void;
  /** Forgets keys whose records no later one can reach; says how many. */
  sweep(arrivedAtMs: number): number;
  readonly keys: number;
  /** How the gold values of the last `next` were found. */
  readonly gold: GoldReading;
}

/**
 * What a record that arrives later than `arrivedAtMs` cannot reach: event times before this. Arrivals of
 * a partition may step back by up to L + 15 minutes. Pure.
 */
export function forgettableBefore(set: FeatureSet, arrivedAtMs: number): number {
  return arrivedAtMs - (MAX_REACH_MS + 2 * set.settings.latenessMs);
}

/**
 * Compiles the stream update of a set.
 *
 *   record → row [inputs, time_ms, hour, features…] → float32 vector
 *   key → ring of the last records on time: [time, columns that selections and aggregates need]
 *
 * Gold values come from `view`; without one they are missing, `NOT_HELD`.
 */
export function createStreamState(set: FeatureSet, view?: GoldView): StreamState {
  const { latenessMs, ringRecords } = set.settings;
  const readInputs = compileInputs(set);
  const { windows, columns, steps } = compileSteps(set);
  const gold = createGoldReader(set, view);
  const rings = new Map<string, Ring>();
  const shape = { width: 1 + columns.length, maxRecords: ringRecords };
  const empty = createRing(shape);
  const row = new Float64Array(set.slots.size);
  const first = set.slots.size - set.features.length;
  const timeSlot = set.inputs.length;

  // hot path
  const join = ({ key, arrivedAtMs, eventTimeMs }: FeatureRecord): void => {
    if (arrivedAtMs - eventTimeMs > latenessMs) return;
    let ring = rings.get(key);
    if (ring === undefined) {
      ring = createRing(shape);
      rings.set(key, ring);
    }
    const at = push(ring, forgettableBefore(set, arrivedAtMs));
    ring.values[at] = eventTimeMs;
    for (let i = 0; i < columns.length; i += 1) ring.values[at + 1 + i] = (columns[i] as Evaluate)(row);
  };
  // hot path
  const compute = (ring: Ring, isLate: boolean): void => {
    if (!isLate) for (const select of windows) select(ring, row, row[timeSlot] as number);
    for (let i = 0; i < steps.length; i += 1) {
      const { isWindowed, evaluate } = steps[i] as Step;
      row[first + i] = isLate && isWindowed ? Number.NaN : evaluate(row, ring);
    }
  };
  return {
    next: (record, vector) => {
      readInputs(record, row);
      gold.read(record, row);
      const isLate = record.arrivedAtMs - record.eventTimeMs > latenessMs;
      compute(rings.get(record.key) ?? empty, isLate);
      for (let i = 0; i < steps.length; i += 1) vector[i] = inFloat32(row[first + i] as number);
      join(record);
      return isLate ? 'TOO_LATE' : 'PRESENT';
    },
    fold: (record) => {
      readInputs(record, row);
      join(record);
    },
    sweep: (arrivedAtMs) => {
      const before = rings.size;
      const cutMs = forgettableBefore(set, arrivedAtMs);
      for (const [key, ring] of rings) if (!isHeld(ring, cutMs)) rings.delete(key);
      return before - rings.size;
    },
    gold,
    get keys() {
      return rings.size;
    },
  };
}

// === Helpers ===

/** The longest window and 15 minutes for arrivals that step back. */
const MAX_REACH_MS = 86_400_000 + 15 * 60_000;

const SUMMED: ReadonlySet<Aggregation> = new Set<Aggregation>(['sum', 'mean', 'sd']);

interface Step {
  readonly isWindowed: boolean;
  readonly evaluate: (row: Float64Array, ring: Ring) => number;
}

function inFloat32(value: number): number {
  return Math.abs(value) <= MAX_FLOAT32 ? Math.fround(value) : Number.NaN;
}

/** Selections that are equal are made once an event; columns of the ring are shared. */
function compileSteps(set: FeatureSet) {
  const columns: Evaluate[] = [];
  const columnByKey = new Map<string, number>();
  const reached = createPicked(set.settings.ringRecords);
  const longestMs = Math.max(0, ...set.features.map(({ selection }) => selection?.windowMs ?? 0));
  const windows: WindowRead[] = longestMs === 0 ? [] : [compileReach(longestMs, reached)];
  const pickByKey = new Map<string, Picked>();
  const sumsByKey = new Map<string, Sums>();
  const columnOf = (key: string, evaluate: Evaluate): number => {
    const known = columnByKey.get(key);
    if (known !== undefined) return known;
    columns.push(evaluate);
    columnByKey.set(key, columns.length);
    return columns.length;
  };
  const inputColumn = (name: string): number => columnOf(name, compileExpression(nameOf({ name }), set));
  const pickOf = (selection: NonNullable<Feature['selection']>): Picked => {
    const { windowMs, where, match } = selection;
    if (windowMs === longestMs && where === undefined && match.length === 0) return reached;
    const key = JSON.stringify(selection);
    const known = pickByKey.get(key);
    if (known !== undefined) return known;
    const picked = createPicked(set.settings.ringRecords);
    const whereColumn = where && columnOf(JSON.stringify(where), compileExpression(where, set));
    const matches = match.map((name) => ({ column: inputColumn(name), slot: slotOf(set, name) }));
    windows.push(compileSelect({ windowMs, whereColumn, matches, reached, picked }));
    pickByKey.set(key, picked);
    return picked;
  };
  const sumsOf = (picked: Picked, key: string, aggregation: Aggregation, column: number): Sums => {
    const known = sumsByKey.get(key);
    if (known !== undefined) return known;
    const sums = { high: 0, low: 0, n: 0 };
    if (!SUMMED.has(aggregation)) return sums;
    windows.push(compileSums(picked, column, sums));
    sumsByKey.set(key, sums);
    return sums;
  };
  const steps = set.features.map(({ entry, expression, selection, gold, isWindowed }): Step => {
    if (gold !== undefined) return { isWindowed, evaluate: compileExpression(nameOf(entry), set) };
    if (expression !== undefined) return { isWindowed, evaluate: compileExpression(expression, set) };
    if (entry.kind !== 'stream' || selection === undefined) throw new Error('a feature without a definition');
    const column = entry.of === undefined ? 0 : inputColumn(entry.of);
    const picked = pickOf(selection);
    const sums = sumsOf(picked, JSON.stringify([selection, column]), entry.aggregation, column);
    const timeSlot = set.inputs.length;
    const evaluate = compileAggregate(entry.aggregation, { picked, column, sums, timeSlot });
    return { isWindowed, evaluate };
  });
  return { windows, columns, steps };
}

function compileExpression(expression: Expression, set: FeatureSet): Evaluate {
  if (expression.kind === 'number') return () => expression.value;
  if (expression.kind === 'text') {
    const number = textNumber(expression.value);
    return () => number;
  }
  if (expression.kind === 'name') {
    const slot = slotOf(set, expression.name);
    return (row) => row[slot] as number;
  }
  const { run } = operationOf(expression.operation);
  const [a, b, c] = expression.args.map((arg) => compileExpression(arg, set));
  if (a === undefined) return () => run();
  if (b === undefined) return (row) => run(a(row));
  if (c === undefined) return (row) => run(a(row), b(row));
  return (row) => run(a(row), b(row), c(row));
}

function nameOf({ name }: { readonly name: string }): Expression {
  return { kind: 'name', name };
}

function slotOf(set: FeatureSet, name: string): number {
  const slot = set.slots.get(name);
  if (slot === undefined) throw new Error(`no slot for ${name}`);
  return slot;
}
