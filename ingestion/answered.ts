import type { GoodRecord } from './judgement.ts';
import { type PartitionIdentity, partitionName } from './partitionIdentity.ts';

/** The txn that says how far records of a partition are answered: 1 + the highest offset. Pure. */
export function answeredAppId(identity: PartitionIdentity): string {
  return `score:${partitionName(identity)}`;
}

/** How far the good records of a batch answer the partitions that they name, by application id. */
export class Answered {
  readonly next = new Map<string, number>();
  readonly #field: string | undefined;

  /** @param field see `Contract.answers`; undefined: nothing is counted */
  constructor(field: string | undefined) {
    this.#field = field;
  }

  /** A record whose field names no place answers nothing. hot path */
  add({ json }: GoodRecord): void {
    if (this.#field === undefined) return;
    const value = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8'));
    const match = PLACE.exec(String(value[this.#field]));
    const [, topic, topicId, partition, offset] = match ?? [];
    if (topic === undefined || topicId === undefined) return;
    const appId = answeredAppId({ topic, topicId, partition: Number(partition) });
    this.next.set(appId, Math.max(this.next.get(appId) ?? 0, Number(offset) + 1));
  }
}

/**
 * The txns that move: progress never goes back, whatever a zombie or a restart repeats. Two landings of
 * one answered partition at once conflict, and the loser reads again. Pure.
 */
export function answeredTxns(
  txns: ReadonlyMap<string, number>,
  next: ReadonlyMap<string, number>,
): { readonly appId: string; readonly expected: number | undefined; readonly version: number }[] {
  return [...next]
    .map(([appId, version]) => ({ appId, expected: txns.get(appId), version }))
    .filter(({ expected, version }) => expected === undefined || version > expected);
}

// === Helpers ===

/** Names of topics hold no colon; 15 digits are exact as a number. */
const PLACE = /^([^:]+):([^:]+):(\d{1,9}):(\d{1,15})$/;
