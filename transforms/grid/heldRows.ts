import { createTextKey } from '../featureTextKey.ts';

/**
 * Rows of one mart in memory: for each entity the rows that a look-up from some grid point on can find.
 *
 *   key of 64 bits → newest row → the row before it → …
 *
 * Look-ups see what was put, at once; whoever reads meanwhile asks for grid points below the new rows.
 */
export interface HeldRows {
  /**
   * Values of the entity's newest row with `as_of ≤ asOfMs` into `row` from `at` on; false, and nothing is
   * written, when there is none or it is empty. hot path
   */
  read(id: string, asOfMs: number, target: { readonly row: Float64Array; readonly at: number }): boolean;
  /**
   * A row of an entity, in the order of `asOfMs` for each of them; one that says what the last one said is
   * left out. `values` undefined: the entity has fallen empty.
   */
  put(id: string, asOfMs: number, values: Float64Array | undefined): void;
  /** Forgets rows that no look-up at or after this grid point can find. */
  forgetBefore(asOfMs: number): void;
  readonly entities: number;
  readonly rows: number;
  readonly bytes: number;
}

/** `width`: values in a row. */
export function createHeldRows(width: number): HeldRows {
  const key = createTextKey();
  const rows = createRowStore(width);
  const heads = createHeads();
  const empty = new Float64Array(width).fill(EMPTY);
  let forgottenMs = Number.NEGATIVE_INFINITY;
  /** An entity that is empty for every look-up to come: as if it were not there. */
  const isGone = (row: number) => {
    if (rows.before(row) !== NONE || rows.asOfMs(row) > forgottenMs || !rows.equals(row, empty)) return false;
    rows.free(row);
    return true;
  };
  return {
    read: (id, asOfMs, target) => {
      key.of(id);
      let row = heads.get(heads.find(key.high, key.low));
      while (row !== NONE && rows.asOfMs(row) > asOfMs) row = rows.before(row);
      return row !== NONE && rows.copy(row, target);
    },
    put: (id, asOfMs, given) => {
      const values = given ?? empty;
      heads.makeRoom(isGone);
      key.of(id);
      const slot = heads.find(key.high, key.low);
      const newest = heads.get(slot);
      if (newest !== NONE && rows.asOfMs(newest) === asOfMs) rows.set(newest, values);
      else if (newest === NONE || !rows.equals(newest, values))
        heads.set(slot, key, rows.add({ asOfMs, before: newest, values }));
    },
    forgetBefore: (asOfMs) => {
      forgottenMs = asOfMs;
      for (let slot = 0; slot < heads.size; slot += 1) {
        let row = heads.get(slot);
        while (row !== NONE && rows.asOfMs(row) > asOfMs) row = rows.before(row);
        if (row !== NONE) rows.cutBefore(row);
      }
    },
    get entities() {
      return heads.used;
    },
    get rows() {
      return rows.live;
    },
    get bytes() {
      return rows.bytes + heads.size * 12;
    },
  };
}

// === Helpers ===

const NONE = -1;
/** The first value of a row that says that there is nothing: values are finite or NaN. */
const EMPTY = Number.NEGATIVE_INFINITY;
const FIRST_SLOTS = 1_024;

/** The newest row of each key: open addressing, at most half full. */
function createHeads() {
  const tableOf = (size: number) => ({
    high: new Int32Array(size),
    low: new Int32Array(size),
    row: new Int32Array(size).fill(NONE),
    mask: size - 1,
  });
  let table = tableOf(FIRST_SLOTS);
  let used = 0;
  const heads = {
    find: (high: number, low: number): number => {
      const { mask } = table;
      let slot = (high ^ Math.imul(low, 0x9e3779b1)) & mask;
      while (table.row[slot] !== NONE && (table.high[slot] !== high || table.low[slot] !== low))
        slot = (slot + 1) & mask;
      return slot;
    },
    get: (slot: number) => table.row[slot] as number,
    set: (slot: number, key: { readonly high: number; readonly low: number }, row: number) => {
      if (table.row[slot] === NONE) used += 1;
      table.high[slot] = key.high;
      table.low[slot] = key.low;
      table.row[slot] = row;
    },
    /** Doubles when half full, unless that many are gone. */
    makeRoom: (isGone: (row: number) => boolean) => {
      if (used * 2 <= table.mask) return;
      const old = table;
      const kept = [...old.row.keys()].filter(
        (slot) => old.row[slot] !== NONE && !isGone(old.row[slot] as number),
      );
      table = tableOf(kept.length * 4 > old.mask ? (old.mask + 1) * 2 : old.mask + 1);
      used = 0;
      for (const slot of kept) {
        const key = { high: old.high[slot] as number, low: old.low[slot] as number };
        heads.set(heads.find(key.high, key.low), key, old.row[slot] as number);
      }
    },
    get size() {
      return table.mask + 1;
    },
    get used() {
      return used;
    },
  };
  return heads;
}

const CHUNK_BITS = 12;
const CHUNK_ROWS = 2 ** CHUNK_BITS;

/** Rows by number in chunks, so that growing copies nothing; numbers of rows that went are used again. */
function createRowStore(width: number) {
  const stride = width + 1;
  const chunks: { readonly values: Float64Array; readonly before: Int32Array }[] = [];
  const free: number[] = [];
  let used = 0;
  const chunkOf = (row: number) => chunks[row >> CHUNK_BITS] as (typeof chunks)[number];
  const offsetOf = (row: number) => (row & (CHUNK_ROWS - 1)) * stride;
  const store = {
    asOfMs: (row: number) => chunkOf(row).values[offsetOf(row)] as number,
    before: (row: number) => chunkOf(row).before[row & (CHUNK_ROWS - 1)] as number,
    copy: (row: number, target: { readonly row: Float64Array; readonly at: number }) => {
      const { values } = chunkOf(row);
      const from = offsetOf(row) + 1;
      if (values[from] === EMPTY) return false;
      for (let i = 0; i < width; i += 1) target.row[target.at + i] = values[from + i] as number;
      return true;
    },
    set: (row: number, from: Float64Array) => {
      const { values } = chunkOf(row);
      const at = offsetOf(row) + 1;
      for (let i = 0; i < width; i += 1) values[at + i] = from[i] as number;
    },
    equals: (row: number, others: Float64Array) => {
      const { values } = chunkOf(row);
      const at = offsetOf(row) + 1;
      for (let i = 0; i < width; i += 1) if (!Object.is(values[at + i], others[i])) return false;
      return true;
    },
    add: (made: { asOfMs: number; before: number; values: Float64Array }) => {
      const row = free.pop() ?? used++;
      if (row >> CHUNK_BITS === chunks.length)
        chunks.push({
          values: new Float64Array(CHUNK_ROWS * stride),
          before: new Int32Array(CHUNK_ROWS),
        });
      chunkOf(row).values[offsetOf(row)] = made.asOfMs;
      chunkOf(row).before[row & (CHUNK_ROWS - 1)] = made.before;
      store.set(row, made.values);
      return row;
    },
    free: (row: number) => {
      free.push(row);
    },
    /** The row has no row before it any more. */
    cutBefore: (row: number) => {
      for (let old = store.before(row); old !== NONE; old = store.before(old)) free.push(old);
      chunkOf(row).before[row & (CHUNK_ROWS - 1)] = NONE;
    },
    get live() {
      return used - free.length;
    },
    get bytes() {
      return chunks.length * CHUNK_ROWS * (stride * 8 + 4);
    },
  };
  return store;
}
