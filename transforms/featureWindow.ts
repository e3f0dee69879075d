import type { Aggregation } from './feature.ts';
import type { Ring } from './featureRing.ts';

/** Finds the records of one selection for an event at `timeMs` whose inputs are in `row`. */
export type WindowRead = (ring: Ring, row: Float64Array, timeMs: number) => void;

/** A column of the ring that has to equal a slot of the event's row; nothing equals what is missing. */
interface Match {
  readonly column: number;
  readonly slot: number;
}

/**
 * Compiles a selection. What it finds is in `picked`: their number, then where each starts in the
 * ring's values, newest place first.
 */
export function compileSelect(selection: {
  readonly windowMs: number;
  /** Column of the ring that is 1 for records that count. */
  readonly whereColumn: number | undefined;
  readonly matches: readonly Match[];
  readonly picked: Int32Array;
}): WindowRead {
  const { windowMs, whereColumn = -1, matches, picked } = selection;
  const [first = { column: -1, slot: 0 }, ...others] = matches;
  // hot path
  return ({ shape: { width }, values, capacity, head, count }, row, timeMs) => {
    const fromMs = timeMs - windowMs;
    const { column } = first;
    const wanted = row[first.slot];
    const last = (capacity - 1) * width;
    let at = ((head + count + capacity - 1) % capacity) * width;
    let found = 0;
    for (let left = count; left > 0; left -= 1) {
      const time = values[at] as number;
      if (
        fromMs <= time &&
        time <= timeMs &&
        (column < 0 || values[at + column] === wanted) &&
        (whereColumn < 0 || values[at + whereColumn] === 1) &&
        (others.length === 0 || isAlike(values, at, row, others))
      ) {
        found += 1;
        picked[found] = at;
      }
      // Not by a remainder: a division a record costs more than all the rest.
      at = at === 0 ? last : at - width;
    }
    picked[0] = found;
  };
}

/** Compiles an aggregate over what a selection picked; `column` is the ring's. Sums are exact. */
export function compileAggregate(
  aggregation: Aggregation,
  window: { readonly picked: Int32Array; readonly column: number; readonly timeSlot: number },
): (row: Float64Array, ring: Ring) => number {
  const { picked, column, timeSlot } = window;
  const limbs: Limbs = new Float64Array(2);
  switch (aggregation) {
    case 'count':
      return () => picked[0] as number;
    case 'seconds_since':
      return (row, ring) => ((row[timeSlot] as number) - extreme(picked, ring, 0, 1)) / 1_000;
    case 'min':
      return (_, ring) => extreme(picked, ring, column, -1);
    case 'max':
      return (_, ring) => extreme(picked, ring, column, 1);
    case 'distinct': {
      const seen = { few: new Float64Array(FEW), many: new Set<number>() };
      return (_, ring) => distinct(picked, ring, column, seen);
    }
    case 'sum':
      return (_, ring) => {
        addUp(picked, ring, column, limbs);
        return roundedOnce(limbs);
      };
    case 'mean':
      return (_, ring) => {
        addUp(picked, ring, column, limbs);
        return roundedOnce(limbs) / presentIn(picked, ring, column);
      };
    case 'sd':
      return (_, ring) => {
        addUp(picked, ring, column, limbs);
        return standardDeviation(picked, ring, column, limbs);
      };
  }
}

// === Helpers ===

const LIMB = 2 ** 32;

/** A whole number as `[0]` · 2^32 + `[1]`, both exact. */
type Limbs = Float64Array;

function isAlike(values: Float64Array, at: number, row: Float64Array, matches: readonly Match[]): boolean {
  for (const { column, slot } of matches) if (values[at + column] !== row[slot]) return false;
  return true;
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

/** Up to here a walk over the distinct values is cheaper than a set. */
const FEW = 24;

/** hot path */
function distinct(
  picked: Int32Array,
  { values }: Ring,
  column: number,
  { few, many }: { readonly few: Float64Array; readonly many: Set<number> },
): number {
  let count = 0;
  for (let i = 1; i <= (picked[0] as number); i += 1) {
    const value = values[(picked[i] as number) + column] as number;
    if (Number.isNaN(value)) continue;
    if (count === FEW) many.add(value);
    else if (!isAmong(few, count, value)) {
      few[count] = value;
      count += 1;
      if (count === FEW) fill(many, few);
    }
  }
  return count < FEW ? count : many.size;
}

function isAmong(few: Float64Array, count: number, value: number): boolean {
  for (let i = 0; i < count; i += 1) if (few[i] === value) return true;
  return false;
}

function fill(many: Set<number>, few: Float64Array): void {
  many.clear();
  for (const value of few) many.add(value);
}

function presentIn(picked: Int32Array, { values }: Ring, column: number): number {
  let present = 0;
  for (let i = 1; i <= (picked[0] as number); i += 1) {
    if (!Number.isNaN(values[(picked[i] as number) + column])) present += 1;
  }
  return present;
}

/** The sum, exact for 1,000 whole numbers of 53 bits. hot path */
function addUp(picked: Int32Array, { values }: Ring, column: number, limbs: Limbs): void {
  let high = 0;
  let low = 0;
  for (let i = 1; i <= (picked[0] as number); i += 1) {
    const value = values[(picked[i] as number) + column] as number;
    if (Number.isNaN(value)) continue;
    const upper = Math.floor(value / LIMB);
    high += upper;
    low += value - upper * LIMB;
  }
  limbs[0] = high;
  limbs[1] = low;
}

/** Rounded once: both summands are exact. */
function roundedOnce(limbs: Limbs): number {
  return (limbs[0] as number) * LIMB + (limbs[1] as number);
}

/** Squares of whole numbers up to here are exact doubles. */
const MAX_ROOT = 94_906_265;

/** √((n·Σx² − (Σx)²) / (n·(n − 1))): the difference is exact; NaN of fewer than two. `limbs` hold Σx. hot path */
function standardDeviation(picked: Int32Array, { values }: Ring, column: number, limbs: Limbs): number {
  let [high, low, n] = [0, 0, 0];
  let large = 0n;
  for (let i = 1; i <= (picked[0] as number); i += 1) {
    const value = values[(picked[i] as number) + column] as number;
    if (Number.isNaN(value)) continue;
    n += 1;
    if (Math.abs(value) > MAX_ROOT) {
      large += BigInt(value) * BigInt(value);
      continue;
    }
    const square = value * value;
    const upper = Math.floor(square / LIMB);
    high += upper;
    low += square - upper * LIMB;
  }
  if (n < 2) return Number.NaN;
  const squares = large + BigInt(high) * BigInt(LIMB) + BigInt(low);
  const sum = BigInt(limbs[0] as number) * BigInt(LIMB) + BigInt(limbs[1] as number);
  const spread = BigInt(n) * squares - sum * sum;
  const wide = Number(spread >> 64n) * 2 ** 64 + Number(spread & 0xffff_ffff_ffff_ffffn);
  return Math.sqrt(wide / (n * (n - 1)));
}
