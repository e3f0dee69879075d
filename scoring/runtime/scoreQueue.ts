import type { DecideItem } from '../decideBatch.ts';
import type { OwnedPartition } from './ownedPartition.ts';

/** A record that waits for its decision. */
export interface QueuedItem extends DecideItem {
  readonly owner: OwnedPartition;
  readonly arrivedAtMs: number;
  /** Bytes of the record, and what its objects take. */
  readonly bytes: number;
  /** Number of the fetch that it came with: what the identity guard has to cover. */
  readonly fetch: number;
}

/** What the objects of a waiting record take, beside its bytes. */
export const ITEM_BYTES = 300;

/** Records between their fetch and their batch, in order of arrival; those of a partition in order of offset. */
export class ScoreQueue {
  bytes = 0;
  #items: QueuedItem[] = [];
  #head = 0;
  #some = Promise.withResolvers<void>();
  #room = Promise.withResolvers<void>();

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** When the record that waits longest came; undefined: none waits. */
  get waitingSinceMs(): number | undefined {
    return this.#items[this.#head]?.receivedAtMs;
  }

  /** hot path */
  push(item: QueuedItem): void {
    this.#items.push(item);
    this.bytes += item.bytes;
    this.#some.resolve();
  }

  /** Resolves when a record waits, or when `signal` is aborted. */
  async filled(signal: AbortSignal): Promise<void> {
    while (this.size === 0 && !signal.aborted) {
      this.#some = Promise.withResolvers<void>();
      const wake = () => this.#some.resolve();
      signal.addEventListener('abort', wake, { once: true });
      await this.#some.promise;
      signal.removeEventListener('abort', wake);
    }
  }

  /** Resolves when at most this many bytes wait. */
  async below(bytes: number): Promise<void> {
    while (this.bytes > bytes) {
      this.#room = Promise.withResolvers<void>();
      await this.#room.promise;
    }
  }

  take(max: number): QueuedItem[] {
    const taken = this.#items.slice(this.#head, this.#head + max);
    this.#head += taken.length;
    for (const { bytes } of taken) this.bytes -= bytes;
    if (this.#head === this.#items.length) this.#reset();
    else if (this.#head > COMPACT_FROM) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    this.#room.resolve();
    return taken;
  }

  /** Whoever owns the partitions next reads them again. */
  clear(): void {
    this.#reset();
    this.bytes = 0;
    this.#room.resolve();
  }

  #reset(): void {
    this.#items = [];
    this.#head = 0;
  }
}

// === Helpers ===

const COMPACT_FROM = 4_096;
