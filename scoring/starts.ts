import { z } from 'zod';
import { type PartitionIdentity, partitionName } from '../ingestion/partitionIdentity.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { putOnce } from '../lakehouse/putOnce.ts';
import type { ObjectStore } from '../lakehouse/storage.ts';

/**
 * The first offset that is decided of a partition, said once for all time: the first who says it is right,
 * everybody else gets what was said. It is written before the first decision. @throws LAKE_COMMIT_TIMEOUT
 */
export async function claimStart(
  lake: Pick<Lake, 'store' | 'clock'>,
  identity: PartitionIdentity,
  offset: number,
): Promise<number> {
  const said = await putOnce(lake, keyOf(identity), Buffer.from(JSON.stringify({ ...identity, offset })));
  return startFile.parse(jsonOf(said)).offset;
}

/**
 * Where the first scorer of a lake found the landing of each partition, by `partitionName`: said once, so
 * that a first start that was cut short goes on with what it said. What is not in it came later (another
 * incarnation, partition or topic) and is decided from its earliest record on. @throws LAKE_COMMIT_TIMEOUT
 */
export async function claimFirstOffsets(
  lake: Pick<Lake, 'store' | 'clock'>,
  offsets: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, number>> {
  const said = await putOnce(lake, FIRST, Buffer.from(JSON.stringify(Object.fromEntries(offsets))));
  return new Map(Object.entries(firstFile.parse(jsonOf(said))));
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
  return bytes === undefined ? undefined : startFile.parse(jsonOf(bytes));
}

function jsonOf(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
