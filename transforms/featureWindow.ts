import type { Aggregation } from './feature.ts';
import type { Ring } from './featureRing.ts';

/** Reads the ring for an event at `timeMs` whose inputs are in `row`. */
export type WindowRead = (ring: Ring, row: Float64Array, timeMs: number) => void;

/**
 * What a selection finds: their number, then where each starts in the ring's values, newest place first.
 * `isInOrder`: their times do not rise from one to the next.
 */
export interface Picked {
  readonly places: Int32Array;
  isInOrder: boolean;
}

export function createPicked(maxRecords: number): Picked {
  return { places: new Int32Array(maxRecords + 1), isInOrder: true };
}

/** A column of the ring that has to equal a slot of the event's row; nothing equals what is missing. */
interface Match {
  readonly column: number;
  readonly slot: number;
}

/** Compiles the one walk over the ring: all records of the longest window. */
export function compileReach(longestMs: number, picked: Picked): WindowRead {
  const { places } = picked;
  // hot path
  return ({ shape: { width }, values, capacity, head, count }, _row, timeMs) => {
    const fromMs = timeMs - longestMs;
    let place = head + count > capacity ? head + count - capacity : head + count;
    let found = 0;
    let later = Number.POSITIVE_INFINITY;
    picked.isInOrder = true;
    for (let left = count; left > 0; left -= 1) {
      place = (place === 0 ? capacity : place) - 1;
      const at = place * width;
      const time = values[at] as number;
      if (!(fromMs <= time && time <= timeMs)) continue;
      if (time > later) picked.isInOrder = false;
      later = time;
      found += 1;
      places[found] = at;
    }
    places[0] = found;
  };
}

/** Compiles a selection out of what was reached. */
export function compileSelect(selection: {
  readonly windowMs: number;
  /** Column of the ring that is 1 for records that count. */
  readonly whereColumn: number | undefined;
  readonly matches: readonly Match[];
  readonly reached: Picked;
  readonly picked: Picked;
}): WindowRead {
  const { windowMs, whereColumn = -1, matches, reached, picked } = selection;
  const { places } = picked;
  // hot path
  return ({ values }, row, timeMs) => {
    const fromMs = timeMs - windowMs;
    const total = reached.places[0] as number;
    let found = 0;
    for (let i = 1; i <= total; i += 1) {
      const at = reached.places[i] as number;
      const time = values[at] as number;
      if (fromMs <= time) {
        if (whereColumn > 0 && values[at + whereColumn] !== 1) continue;
        if (!isAlike(values, at, row, matches)) continue;
        found += 1;
        places[found] = at;
      } else if (reached.isInOrder) break;
    }
    places[0] = found;
    picked.isInOrder = reached.isInOrder;
  };
}

/** The sum of a column over what a selection picked, exact, and how many values it has. */
export interface Sums {
  high: number;
  low: number;
  n: number;
}

/** Compiles the sum that `sum`, `mean` and `sd` of one column share: exact for 1,000 whole numbers of 53 bits. */
export function compileSums({ places }: Picked, column: number, sums: Sums): WindowRead {
  // hot path
  return ({ values }) => {
    let [high, low, n] = [0, 0, 0];
    for (let i = 1; i <= (places[0] as number); i += 1) {
      const value = values[(places[i] as number) + column] as number;
      if (Number.isNaN(value)) continue;
      const upper = Math.floor(value / LIMB);
      high += upper;
      low += value - upper * LIMB;
      n += 1;
    }
    sums.high = high;
    sums.low = low;
    sums.n = n;
  };
}

/** Compiles an aggregate over what a selection picked; `column` is the ring's, `sums` are those of this column. */
export function compileAggregate(
  aggregation: Aggregation,
  window: {
    readonly picked: Picked;
    readonly column: number;
    readonly sums: Sums;
    readonly timeSlot: number;
  },
): (row: Float64Array, ring: Ring) => number {
  const { picked, column, sums, timeSlot } = window;
  const { places } = picked;
  switch (aggregation) {
    case 'count':
      return () => places[0] as number;
    case 'seconds_since':
      return (row, ring) => ((row[timeSlot] as number) - newestTime(picked, ring)) / 1_000;
    case 'min':
      return (_, ring) => extreme(places, ring, column, -1);
    case 'max':
      return (_, ring) => extreme(places, ring, column, 1);
    case 'distinct': {
      const few = new Float64Array(FEW);
      return (_, ring) => distinct(places, ring, column, few);
    }
    case 'sum':
      return () => roundedOnce(sums);
    case 'mean':
      return () => roundedOnce(sums) / sums.n;
    case 'sd':
      return (_, ring) => standardDeviation(places, ring, column, sums);
  }
}

// === Helpers ===

/** Sums are `high` · 2^32 + `low`, both exact. */
const LIMB = 2 ** 32;

function isAlike(values: Float64Array, at: number, row: Float64Array, matches: readonly Match[]): boolean {
  for (const { column, slot } of matches) if (values[at + column] !== row[slot]) return false;
  return true;
}

/** NaN of none. hot path */
function newestTime({ places, isInOrder }: Picked, ring: Ring): number {
  if (!isInOrder || places[0] === 0) return extreme(places, ring, 0, 1);
  return ring.values[places[1] as number] as number;
}

/** The largest (`sign` 1) or smallest (−1) value; NaN of none. hot path */
function extreme(picked: Int32Array, { values }: Ring, column: number, sign: 1 | -1): number {
  let best = Number.NaN;
  for (let i = 1; i <= (picked[0] as number); i += 1) {
    const value = values[(picked[i] as number) + column] as number;
    if (Number.isNaN(value)) continue;
    if (Number.isNaN(best) || value * sign > best * sign) best = value;
  }
  return best;
}

/** So many are told apart by comparing each with each; a set would cost ten times as much. */
const FEW = 16;

/** hot path */
function distinct(picked: Int32Array, ring: Ring, column: number, few: Float64Array): number {
  let count = 0;
  for (let i = 1; i <= (picked[0] as number); i += 1) {
    const value = ring.values[(picked[i] as number) + column] as number;
    let j = 0;
    while (j < count && few[j] !== value) j += 1;
    if (j < count || Number.isNaN(value)) continue;
    if (count === FEW) return distinctOfMany(picked, ring, column);
    few[count] = value;
    count += 1;
  }
  return count;
}

function distinctOfMany(picked: Int32Array, { values }: Ring, column: number): number {
  const seen = new Set<number>();
  for (let i = 1; i <= (picked[0] as number); i += 1) {
    const value = values[(picked[i] as number) + column] as number;
    if (!Number.isNaN(value)) seen.add(value);
  }
  return seen.size;
}

/** Rounded once: both summands are exact. */
function roundedOnce({ high, low }: Sums): number {
  return high * LIMB + low;
}

/** Squares of whole numbers up to here are exact doubles. */
const MAX_ROOT = 94_906_265;

/** √((n·Σx² − (Σx)²) / (n·(n − 1))): the difference is exact; NaN of fewer than two. hot path */
function standardDeviation(picked: Int32Array, { values }: Ring, column: number, sums: Sums): number {
  const { n } = sums;
  if (n < 2) return Number.NaN;
  let [high, low] = [0, 0];
  let large = 0n;
  for (let i = 1; i <= (picked[0] as number); i += 1) {
    const value = values[(picked[i] as number) + column] as number;
    if (Number.isNaN(value)) continue;
    if (Math.abs(value) > MAX_ROOT) {
      large += BigInt(value) * BigInt(value);
      continue;
    }
    const square = value * value;
    const upper = Math.floor(square / LIMB);
    high += upper;
    low += square - upper * LIMB;
  }
  // (Σx)² is not larger than n·Σx²: where that is a safe integer, doubles are as exact as BigInt.
  const scaled = n * (high * LIMB + low);
  if (large === 0n && scaled <= Number.MAX_SAFE_INTEGER) {
    return Math.sqrt((scaled - roundedOnce(sums) ** 2) / (n * (n - 1)));
  }
  const squares = large + BigInt(high) * BigInt(LIMB) + BigInt(low);
  const sum = BigInt(sums.high) * BigInt(LIMB) + BigInt(sums.low);
  const spread = BigInt(n) * squares - sum * sum;
  const wide = Number(spread >> 64n) * 2 ** 64 + Number(spread & 0xffff_ffff_ffff_ffffn);
  return Math.sqrt(wide / (n * (n - 1)));
}
