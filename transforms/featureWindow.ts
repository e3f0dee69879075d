import type { Aggregation } from './feature.ts';
import type { Ring } from './featureRing.ts';

/** Records of a ring: how many, then their places in its columns, newest first. */
export type Picked = Int32Array;

/** One step for an event at `timeMs` whose inputs are in `row`; steps are made in the order of compilation. */
export type WindowRead = (ring: Ring, row: Float64Array, timeMs: number) => void;

/** A column of the ring that has to equal a slot of the event's row; nothing equals what is missing. */
interface Match {
  readonly column: number;
  readonly slot: number;
}

/** Picks the records of a window of time. */
export function compileSpan(windowMs: number, picked: Picked): WindowRead {
  // hot path
  return ({ values, capacity, head, count }, _, timeMs) => {
    const fromMs = timeMs - windowMs;
    // Not by a remainder: a division a record costs more than all the rest.
    let at = head + count >= capacity ? head + count - capacity : head + count;
    let found = 0;
    for (let left = count; left > 0; left -= 1) {
      at = at === 0 ? capacity - 1 : at - 1;
      const time = values[at] as number;
      if (fromMs <= time && time <= timeMs) {
        found += 1;
        picked[found] = at;
      }
    }
    picked[0] = found;
  };
}

/** Picks those records of a span for which a column is 1 and others equal the event's. */
export function compileSelect(selection: {
  readonly span: Picked;
  readonly whereColumn: number | undefined;
  readonly matches: readonly Match[];
  readonly picked: Picked;
}): WindowRead {
  const { span, whereColumn = -1, matches, picked } = selection;
  const [{ column, slot } = { column: -1, slot: 0 }, ...others] = matches;
  // hot path
  return ({ values, capacity }, row) => {
    const wanted = row[slot];
    const [from, where] = [column * capacity, whereColumn * capacity];
    let found = 0;
    for (let i = 1; i <= (span[0] as number); i += 1) {
      const at = span[i] as number;
      if (column > 0 && values[from + at] !== wanted) continue;
      if (whereColumn > 0 && values[where + at] !== 1) continue;
      if (others.length > 0 && !isAlike({ values, capacity, at }, row, others)) continue;
      found += 1;
      picked[found] = at;
    }
    picked[0] = found;
  };
}

/** The exact sum of a column over what was picked, and how many values it has. */
export interface Total {
  readonly limbs: Limbs;
  present: number;
}

/** Fills `total`, for all aggregates that need it. Exact for 1,000 whole numbers of 53 bits. */
export function compileTotal(picked: Picked, column: number, total: Total): WindowRead {
  // hot path
  return ({ values, capacity }) => {
    const from = column * capacity;
    let [high, low, present] = [0, 0, 0];
    for (let i = 1; i <= (picked[0] as number); i += 1) {
      const value = values[from + (picked[i] as number)] as number;
      if (Number.isNaN(value)) continue;
      present += 1;
      const upper = Math.floor(value / LIMB);
      high += upper;
      low += value - upper * LIMB;
    }
    total.limbs[0] = high;
    total.limbs[1] = low;
    total.present = present;
  };
}

/** What an aggregate reads; `column` is the ring's. */
export interface AggregateParts {
  readonly picked: Picked;
  readonly column: number;
  readonly timeSlot: number;
  /** Of the aggregates that `needsTotal` names. */
  readonly total: Total | undefined;
}

/** Whether an aggregate stands on the total of its column. */
export function needsTotal(aggregation: Aggregation): boolean {
  return aggregation === 'sum' || aggregation === 'mean' || aggregation === 'sd';
}

/** Compiles an aggregate over what a selection picked. Sums are exact. */
export function compileAggregate(
  aggregation: Aggregation,
  { picked, column, timeSlot, total = { limbs: new Float64Array(2), present: 0 } }: AggregateParts,
): (row: Float64Array, ring: Ring) => number {
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
      return () => roundedOnce(total.limbs);
    case 'mean':
      return () => roundedOnce(total.limbs) / total.present;
    case 'sd':
      return (_, ring) => standardDeviation(picked, ring, column, total);
  }
}

// === Helpers ===

const LIMB = 2 ** 32;

/** A whole number as `[0]` · 2^32 + `[1]`, both exact. */
type Limbs = Float64Array;

function isAlike(
  { values, capacity, at }: Pick<Ring, 'values' | 'capacity'> & { readonly at: number },
  row: Float64Array,
  matches: readonly Match[],
): boolean {
  for (const { column, slot } of matches) if (values[column * capacity + at] !== row[slot]) return false;
  return true;
}

/** The largest (`sign` 1) or smallest (−1) value; NaN of none. hot path */
function extreme(picked: Picked, { values, capacity }: Ring, column: number, sign: 1 | -1): number {
  const from = column * capacity;
  let best = Number.NaN;
  for (let i = 1; i <= (picked[0] as number); i += 1) {
    const value = values[from + (picked[i] as number)] as number;
    if (Number.isNaN(value)) continue;
    if (Number.isNaN(best) || value * sign > best * sign) best = value;
  }
  return best;
}

/** Up to here a walk over the distinct values is cheaper than a set. */
const FEW = 24;

/** hot path */
function distinct(
  picked: Picked,
  { values, capacity }: Ring,
  column: number,
  { few, many }: { readonly few: Float64Array; readonly many: Set<number> },
): number {
  const from = column * capacity;
  let count = 0;
  for (let i = 1; i <= (picked[0] as number); i += 1) {
    const value = values[from + (picked[i] as number)] as number;
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

/** Rounded once: both summands are exact. */
function roundedOnce(limbs: Limbs): number {
  return (limbs[0] as number) * LIMB + (limbs[1] as number);
}

/** Squares of whole numbers up to here are exact doubles. */
const MAX_ROOT = 94_906_265;

/** √((n·Σx² − (Σx)²) / (n·(n − 1))): the difference is exact; NaN of fewer than two. hot path */
function standardDeviation(
  picked: Picked,
  { values, capacity }: Ring,
  column: number,
  { limbs, present: n }: Total,
): number {
  if (n < 2) return Number.NaN;
  const from = column * capacity;
  let [high, low] = [0, 0];
  let large = 0n;
  for (let i = 1; i <= (picked[0] as number); i += 1) {
    const value = values[from + (picked[i] as number)] as number;
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
    return Math.sqrt((scaled - roundedOnce(limbs) ** 2) / (n * (n - 1)));
  }
  const squares = large + BigInt(high) * BigInt(LIMB) + BigInt(low);
  const sum = BigInt(limbs[0] as number) * BigInt(LIMB) + BigInt(limbs[1] as number);
  const spread = BigInt(n) * squares - sum * sum;
  const wide = Number(spread >> 64n) * 2 ** 64 + Number(spread & 0xffff_ffff_ffff_ffffn);
  return Math.sqrt(wide / (n * (n - 1)));
}
