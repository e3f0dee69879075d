/**
 * Offsets of the partitions of one topic as bits: pages of 65,536 offsets (8 KiB) that exist where an
 * offset was added. A dense range costs one bit an offset, and gaps cost nothing more.
 */
export interface OffsetSet {
  add(partition: number, offset: number): void;
  /** Takes the bits of a word of 32 offsets out; returns those that were not in. */
  subtract(partition: number, word: number, bits: number): number;
  /** What is left, as ranges `[from, to)` inside of the given one, ascending. */
  ranges(partition: number, within: OffsetBounds): Generator<[from: number, to: number]>;
}

export interface OffsetBounds {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

const PAGE_WORDS = 2_048;

type Pages = Map<number, Uint32Array>;

export function createOffsetSet(): OffsetSet {
  const partitions = new Map<number, Pages>();
  return {
    add: (partition, offset) => {
      const word = Math.floor(offset / 32);
      const page = pageFor(pagesFor(partitions, partition), Math.floor(word / PAGE_WORDS));
      const slot = word % PAGE_WORDS;
      page[slot] = (page[slot] ?? 0) | (1 << (offset % 32));
    },
    subtract: (partition, word, bits) => {
      const page = partitions.get(partition)?.get(Math.floor(word / PAGE_WORDS));
      const slot = word % PAGE_WORDS;
      const had = page?.[slot] ?? 0;
      if (page !== undefined) page[slot] = had & ~bits;
      return (bits & ~had) >>> 0;
    },
    ranges: (partition, within) => coalesce(offsetsOf(partitions.get(partition) ?? new Map(), within)),
  };
}

/** The offsets of the set bits of a word, ascending. Pure. */
export function offsetsOfWord(word: number, bits: number): number[] {
  const offsets: number[] = [];
  for (let bit = 0; bit < 32; bit += 1) {
    if ((bits >>> bit) & 1) offsets.push(word * 32 + bit);
  }
  return offsets;
}

// === Helpers ===

function pagesFor(partitions: Map<number, Pages>, partition: number): Pages {
  const known = partitions.get(partition);
  if (known !== undefined) return known;
  const pages: Pages = new Map();
  partitions.set(partition, pages);
  return pages;
}

function pageFor(pages: Pages, index: number): Uint32Array {
  const known = pages.get(index);
  if (known !== undefined) return known;
  const page = new Uint32Array(PAGE_WORDS);
  pages.set(index, page);
  return page;
}

function* offsetsOf(pages: Pages, { from, to }: OffsetBounds): Generator<number> {
  for (const [index, page] of [...pages].toSorted(([a], [b]) => a - b)) {
    for (const [slot, bits] of page.entries()) {
      if (bits === 0) continue;
      const offsets = offsetsOfWord(index * PAGE_WORDS + slot, bits);
      yield* offsets.filter((offset) => offset >= from && offset < to);
    }
  }
}

function* coalesce(offsets: Iterable<number>): Generator<[from: number, to: number]> {
  let open: [from: number, to: number] | undefined;
  for (const offset of offsets) {
    if (open?.[1] === offset) {
      open[1] += 1;
      continue;
    }
    if (open !== undefined) yield open;
    open = [offset, offset + 1];
  }
  if (open !== undefined) yield open;
}
