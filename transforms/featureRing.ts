/**
 * The last records of one key, oldest first, in one typed array that grows by doubling up to its limit.
 * Each record is `width` numbers, the first of which is its event time.
 */
export interface Ring {
  readonly shape: RingShape;
  values: Float64Array;
  /** Records that fit into `values`. */
  capacity: number;
  /** Place of the oldest record, below `capacity`. */
  head: number;
  count: number;
}

export interface RingShape {
  readonly width: number;
  readonly maxRecords: number;
}

export function createRing(shape: RingShape): Ring {
  const capacity = Math.min(FIRST_RECORDS, shape.maxRecords);
  return { shape, values: new Float64Array(capacity * shape.width), capacity, head: 0, count: 0 };
}

/** Makes room for one more record; oldest records before `cutMs` go first. Gives where its numbers start. hot path */
export function push(ring: Ring, cutMs: number): number {
  const { width, maxRecords } = ring.shape;
  while (ring.count > 0 && (ring.values[ring.head * width] as number) < cutMs) dropOldest(ring);
  if (ring.count === maxRecords) dropOldest(ring);
  if (ring.count === ring.capacity) grow(ring);
  const end = ring.head + ring.count;
  ring.count += 1;
  return (end < ring.capacity ? end : end - ring.capacity) * width;
}

/** Whether a record at or after `cutMs` is in it. */
export function isHeld(ring: Ring, cutMs: number): boolean {
  const { width } = ring.shape;
  for (let i = 0; i < ring.count; i += 1) {
    if ((ring.values[((ring.head + i) % ring.capacity) * width] as number) >= cutMs) return true;
  }
  return false;
}

// === Helpers ===

const FIRST_RECORDS = 4;

function dropOldest(ring: Ring): void {
  ring.head = ring.head + 1 === ring.capacity ? 0 : ring.head + 1;
  ring.count -= 1;
}

function grow(ring: Ring): void {
  const { width, maxRecords } = ring.shape;
  const capacity = Math.min(ring.capacity * 2, maxRecords);
  const values = new Float64Array(capacity * width);
  const split = ring.head * width;
  values.set(ring.values.subarray(split));
  values.set(ring.values.subarray(0, split), ring.values.length - split);
  ring.values = values;
  ring.capacity = capacity;
  ring.head = 0;
}
