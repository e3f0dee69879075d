import { at } from './prng.ts';

/** A queue by time: what is due first comes out first, equals in order of entry. */
export interface DueQueue<T> {
  readonly size: number;
  add(dueMs: number, item: T): void;
  /** Takes out the first item when it is due at `nowMs`. */
  takeDue(nowMs: number): T | undefined;
}

/** An empty queue (a binary heap). */
export function createDueQueue<T>(): DueQueue<T> {
  const heap: Entry<T>[] = [];
  let entered = 0;
  return {
    get size() {
      return heap.length;
    },
    add: (dueMs, item) => {
      heap.push({ dueMs, order: entered, item });
      entered += 1;
      siftUp(heap);
    },
    takeDue: (nowMs) => {
      const first = heap[0];
      if (first === undefined || first.dueMs > nowMs) return undefined;
      const last = heap.pop();
      if (last !== undefined && heap.length > 0) {
        heap[0] = last;
        siftDown(heap);
      }
      return first.item;
    },
  };
}

// === Helpers ===

interface Entry<T> {
  readonly dueMs: number;
  readonly order: number;
  readonly item: T;
}

function before<T>(x: Entry<T>, y: Entry<T>): boolean {
  return x.dueMs < y.dueMs || (x.dueMs === y.dueMs && x.order < y.order);
}

function siftUp<T>(heap: Entry<T>[]): void {
  let child = heap.length - 1;
  while (child > 0) {
    const parent = (child - 1) >> 1;
    if (!before(at(heap, child), at(heap, parent))) return;
    swap(heap, child, parent);
    child = parent;
  }
}

function siftDown<T>(heap: Entry<T>[]): void {
  let parent = 0;
  for (;;) {
    const left = 2 * parent + 1;
    if (left >= heap.length) return;
    const right = left + 1;
    const child = right < heap.length && before(at(heap, right), at(heap, left)) ? right : left;
    if (!before(at(heap, child), at(heap, parent))) return;
    swap(heap, child, parent);
    parent = child;
  }
}

function swap<T>(heap: Entry<T>[], x: number, y: number): void {
  const entry = at(heap, x);
  heap[x] = at(heap, y);
  heap[y] = entry;
}
