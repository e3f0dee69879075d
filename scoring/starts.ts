import { z } from 'zod';
import type { ObjectStore } from '../lakehouse/storage.ts';

/** A partition of one incarnation of a topic. */
export interface PartitionIdentity {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

/** `<topic>@<topic id>:<partition>`, as landing spells it in its txns. Pure. */
export function partitionName({ topic, topicId, partition }: PartitionIdentity): string {
  return `${topic}@${topicId}:${partition}`;
}

/**
 * The first offset that is decided of a partition, said once for all time: the first who says it is right,
 * everybody else gets what was said. It is written before the first decision.
 */
export async function claimStart(
  store: ObjectStore,
  identity: PartitionIdentity,
  offset: number,
): Promise<number> {
  const key = keyOf(identity);
  await store.putIfAbsent(key, Buffer.from(JSON.stringify({ ...identity, offset })));
  const said = await readStart(store, key);
  if (said === undefined) throw new Error(`${key} is gone`);
  return said.offset;
}

/**
 * Where the first scorer of a lake found the landing of each partition, by `partitionName`: said once, so
 * that a first start that was cut short goes on with what it said. What is not in it came later (another
 * incarnation, partition or topic) and is decided from its earliest record on.
 */
export async function claimFirstOffsets(
  store: ObjectStore,
  offsets: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, number>> {
  await store.putIfAbsent(FIRST, Buffer.from(JSON.stringify(Object.fromEntries(offsets))));
  const bytes = await store.read(FIRST);
  if (bytes === undefined) throw new Error(`${FIRST} is gone`);
  return new Map(Object.entries(firstFile.parse(JSON.parse(new TextDecoder().decode(bytes)))));
}

/** All starts by `partitionName`. */
export async function readStarts(store: ObjectStore): Promise<ReadonlyMap<string, number>> {
  const starts = new Map<string, number>();
  for await (const { key } of store.list(STARTS)) {
    if (key === FIRST) continue;
    const start = await readStart(store, key);
    if (start !== undefined) starts.set(partitionName(start), start.offset);
  }
  return starts;
}

// === Helpers ===

const STARTS = '_starts/';
/** Names of topics hold no such directory: theirs have an `@`. */
const FIRST = `${STARTS}first.json`;

const firstFile = z.record(z.string(), z.number().int());

const startFile = z.object({
  topic: z.string(),
  topicId: z.string(),
  partition: z.number().int(),
  offset: z.number().int(),
});

function keyOf({ topic, topicId, partition }: PartitionIdentity): string {
  return `${STARTS}${topic}@${topicId}/${String(partition).padStart(6, '0')}.json`;
}

async function readStart(store: ObjectStore, key: string): Promise<z.infer<typeof startFile> | undefined> {
  const bytes = await store.read(key);
  return bytes === undefined ? undefined : startFile.parse(JSON.parse(new TextDecoder().decode(bytes)));
}
