/**
 * The last records of one key, oldest first, in one typed array that grows by doubling up to its limit.
 * It holds column after column, `capacity` places each; the first column is the event time.
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

/** Makes room for one more record; oldest records before `cutMs` go first. Gives its place in each column. hot path */
export function push(ring: Ring, cutMs: number): number {
  const { maxRecords } = ring.shape;
  while (ring.count > 0 && (ring.values[ring.head] as number) < cutMs) dropOldest(ring);
  if (ring.count === maxRecords) dropOldest(ring);
  if (ring.count === ring.capacity) grow(ring);
  const at = (ring.head + ring.count) % ring.capacity;
  ring.count += 1;
  return at;
}

/** Whether a record at or after `cutMs` is in it. */
export function isHeld(ring: Ring, cutMs: number): boolean {
  for (let i = 0; i < ring.count; i += 1) {
    if ((ring.values[(ring.head + i) % ring.capacity] as number) >= cutMs) return true;
  }
  return false;
}

// === Helpers ===

const FIRST_RECORDS = 4;

function dropOldest(ring: Ring): void {
  ring.head = (ring.head + 1) % ring.capacity;
  ring.count -= 1;
}

function grow(ring: Ring): void {
  const { width, maxRecords } = ring.shape;
  const capacity = Math.min(ring.capacity * 2, maxRecords);
  const values = new Float64Array(capacity * width);
  for (let column = 0; column < width; column += 1) {
    const old = ring.values.subarray(column * ring.capacity, (column + 1) * ring.capacity);
    values.set(old.subarray(ring.head), column * capacity);
    values.set(old.subarray(0, ring.head), column * capacity + ring.capacity - ring.head);
  }
  ring.values = values;
  ring.capacity = capacity;
  ring.head = 0;
}
