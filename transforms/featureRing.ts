/**
 * The last records of one key, oldest first, in one typed array that grows by doubling. Each record is
 * `width` numbers, the first of which is its event time. Number c of the record at place p is at
 * c · capacity + p: a look at one number of all records reads memory in a row.
 */
export interface Ring {
  readonly shape: RingShape;
  values: Float64Array;
  /** Records that fit into `values`, a power of two: places wrap by a mask, a division would cost more than the rest. */
  capacity: number;
  /** Place of the oldest record. */
  head: number;
  count: number;
}

export interface RingShape {
  readonly width: number;
  readonly maxRecords: number;
}

export function createRing(shape: RingShape): Ring {
  const values = new Float64Array(FIRST_RECORDS * shape.width);
  return { shape, values, capacity: FIRST_RECORDS, head: 0, count: 0 };
}

/** Makes room for one more record; oldest records before `cutMs` go first. Gives its place. hot path */
export function push(ring: Ring, cutMs: number): number {
  while (ring.count > 0 && (ring.values[ring.head] as number) < cutMs) dropOldest(ring);
  if (ring.count === ring.shape.maxRecords) dropOldest(ring);
  if (ring.count === ring.capacity) grow(ring);
  const place = (ring.head + ring.count) & (ring.capacity - 1);
  ring.count += 1;
  return place;
}

/** Whether a record at or after `cutMs` is in it. */
export function isHeld({ values, capacity, head, count }: Ring, cutMs: number): boolean {
  for (let i = 0; i < count; i += 1) {
    if ((values[(head + i) & (capacity - 1)] as number) >= cutMs) return true;
  }
  return false;
}

// === Helpers ===

/** A power of two. */
const FIRST_RECORDS = 4;

function dropOldest(ring: Ring): void {
  ring.head = (ring.head + 1) & (ring.capacity - 1);
  ring.count -= 1;
}

function grow(ring: Ring): void {
  const { capacity, head } = ring;
  const values = new Float64Array(2 * capacity * ring.shape.width);
  for (let column = 0; column < ring.shape.width; column += 1) {
    const from = column * capacity;
    values.set(ring.values.subarray(from + head, from + capacity), 2 * from);
    values.set(ring.values.subarray(from, from + head), 2 * from + capacity - head);
  }
  ring.values = values;
  ring.capacity = 2 * capacity;
  ring.head = 0;
}
