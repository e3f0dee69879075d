import { fault, isFault } from './errorCatalog.ts';
import { fetchTopicStates } from './kafka.ts';
import { type FetchedBatch, openGroup } from './kafkaGroup.ts';
import type { Logger } from './ports.ts';

export interface OffsetRange {
  readonly partition: number;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

/** The longest time without a record before reading is given up, in milliseconds. */
const STALL_MS = 120_000;
/** How often it is looked whether the log still holds what comes next, in milliseconds. */
const LOOK_MS = 2_000;

/**
 * Reads given ranges of a topic, each once and each partition in order; `onBatch` gets only records of
 * the ranges, at most one fetch of them at a time. What retention deletes meanwhile is left out. Leaves no
 * group behind. @throws KAFKA_UNAVAILABLE
 */
export async function readTopic(
  options: {
    readonly brokers: readonly string[];
    readonly topic: string;
    readonly ranges: readonly OffsetRange[];
    readonly log: Logger;
    readonly signal?: AbortSignal;
  },
  onBatch: (batch: FetchedBatch) => Promise<void>,
): Promise<void> {
  const { brokers, topic, log, signal } = options;
  const wanted = new Map(options.ranges.filter((r) => r.from < r.to).map((r) => [r.partition, r]));
  const next = new Map([...wanted].map(([partition, { from }]) => [partition, from]));
  const isDone = () => [...wanted].every(([partition, { to }]) => (next.get(partition) ?? 0) >= to);
  if (isDone()) return;
  const done = Promise.withResolvers<void>();
  const silence = fault('KAFKA_UNAVAILABLE', {
    brokers: brokers.join(','),
    detail: `no record of ${topic}`,
  });
  const idle = whenIdle(
    () => skipDeleted(options, next, advance).catch(done.reject),
    () => done.reject(silence),
  );
  const advance = (partition: number, offset: number) => {
    next.set(partition, offset);
    idle.reset();
    if (isDone()) done.resolve();
  };
  signal?.addEventListener('abort', () => done.reject(signal.reason), { once: true });
  const id = `tidemark-read-${crypto.randomUUID()}`;
  const group = openGroup({ brokers, clientId: id, groupId: id, topics: [topic], log, temporary: true });
  try {
    const joined = group.run({
      onAssigned: () => {},
      onBatch: async (batch) => {
        const range = wanted.get(batch.partition);
        const position = next.get(batch.partition) ?? 0;
        if (range === undefined || position >= range.to) return true;
        if (batch.fetchedOffset !== position) {
          group.seek(topic, batch.partition, position);
          return false;
        }
        await onBatch({ ...batch, records: batch.records.filter(({ offset }) => Number(offset) < range.to) });
        advance(batch.partition, batch.nextOffset);
        return true;
      },
      onNothingVisible: ({ partition, firstOffset, nextOffset }) => {
        if (firstOffset === next.get(partition)) advance(partition, nextOffset);
      },
      onCrash: (error) => done.reject(error),
    });
    await Promise.all([joined, done.promise]);
  } finally {
    idle[Symbol.dispose]();
    await group[Symbol.asyncDispose]();
  }
}

// === Helpers ===

/** Calls `look` now and then and `giveUp` once nothing has reset it for too long. */
function whenIdle(look: () => Promise<void>, giveUp: () => void): Disposable & { reset(): void } {
  let idleMs = 0;
  let isLooking = false;
  const timer = setInterval(async () => {
    idleMs += LOOK_MS;
    if (idleMs >= STALL_MS) giveUp();
    if (isLooking || idleMs <= LOOK_MS) return;
    isLooking = true;
    await look();
    isLooking = false;
  }, LOOK_MS);
  return {
    reset: () => {
      idleMs = 0;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** Moves positions that the log does not reach back to any more. A broker that is away changes nothing. */
async function skipDeleted(
  { brokers, topic, log }: { brokers: readonly string[]; topic: string; log: Logger },
  next: ReadonlyMap<number, number>,
  advance: (partition: number, offset: number) => void,
): Promise<void> {
  try {
    const [state] = await fetchTopicStates(brokers, [topic], { retries: 0 });
    for (const { partition, logStart } of state?.partitions ?? []) {
      if (logStart > (next.get(partition) ?? logStart)) advance(partition, logStart);
    }
  } catch (error) {
    if (!isFault(error, 'KAFKA_UNAVAILABLE')) throw error;
    log.debug({ topic, err: error }, 'the start of the log is not known');
  }
}
