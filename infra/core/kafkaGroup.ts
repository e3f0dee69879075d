import type { Consumer, EachBatchPayload } from 'kafkajs';
import { kafkaClient, PATIENT, reached, withAdmin } from './kafkaClient.ts';
import { dropInherited } from './kafkaHeaders.ts';
import type { Logger } from './ports.ts';

/** What a member of a consumer group sees and may do. */

export type KafkaHeaders = Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>;

export interface KafkaRecord {
  readonly offset: string;
  /** Milliseconds as text; the broker's on topics with LogAppendTime, else the producer's, -1 when missing. */
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: KafkaHeaders | undefined;
}

export interface FetchedBatch {
  readonly topic: string;
  readonly partition: number;
  /** Where this fetch started: not the first record's offset when the log has gaps. */
  readonly fetchedOffset: number;
  /** Where the next fetch starts; records that a reader may not see (markers, aborted ones) are below it. */
  readonly nextOffset: number;
  readonly highWatermark: number;
  readonly records: readonly KafkaRecord[];
}

export type Assignment = ReadonlyMap<string, readonly number[]>;

export interface GroupHandlers {
  /** The group has (re)assigned partitions; fetches of the old assignment may still arrive. Must not throw. */
  onAssigned(assignment: Assignment): void;
  /** Batches come one by one. True: the fetch goes on behind the batch; false: it was dropped, a seek follows. */
  onBatch(batch: FetchedBatch, heartbeat: () => Promise<void>): Promise<boolean>;
  /** Only markers or aborted records in [firstOffset, nextOffset). */
  onNothingVisible(range: {
    topic: string;
    partition: number;
    firstOffset: number;
    nextOffset: number;
  }): void;
  /** The client gave up, or a handler threw: nothing useful comes any more. May be called again. */
  onCrash(error: unknown): void;
}

export interface GroupConsumer extends AsyncDisposable {
  /** Joins, and resolves when it has joined; the handlers are called from then on. @throws KAFKA_UNAVAILABLE */
  run(handlers: GroupHandlers): Promise<void>;
  seek(topic: string, partition: number, offset: number): void;
  /** For lag tools; nothing of Tidemark reads it back. */
  commitOffsets(offsets: readonly { topic: string; partition: number; offset: number }[]): Promise<void>;
}

export interface GroupOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly log: Logger;
  readonly maxBytesPerPartition?: number;
  /** The broker forgets the group when the consumer leaves. */
  readonly temporary?: boolean;
}

/**
 * A member of a consumer group; it joins with `run`. Committed group offsets are never trusted: whoever
 * handles batches compares `fetchedOffset` with its own position and seeks.
 */
export function openGroup(options: GroupOptions): GroupConsumer {
  const consumer = kafkaClient(options).consumer({
    groupId: options.groupId,
    sessionTimeout: 6_000,
    heartbeatInterval: 1_500,
    rebalanceTimeout: 30_000,
    maxWaitTimeInMs: 500,
    minBytes: 1,
    maxBytes: FETCH_BYTES,
    maxBytesPerPartition: options.maxBytesPerPartition ?? 1_048_576,
    retry: { ...PATIENT, restartOnFailure: async () => true },
  });
  return {
    run: (handlers) => runGroup(consumer, options, handlers),
    seek: (topic, partition, offset) => consumer.seek({ topic, partition, offset: String(offset) }),
    commitOffsets: (offsets) =>
      consumer.commitOffsets(offsets.map((o) => ({ ...o, offset: String(o.offset) }))),
    [Symbol.asyncDispose]: async () => {
      await consumer.disconnect();
      if (options.temporary) await forgetGroup(options);
    },
  };
}

// === Helpers ===

/**
 * Of one fetch over all partitions. The client makes some ten objects a record and holds a fetch as a
 * whole: a small one dies young, a large one (8 MiB) doubles the memory of the process.
 */
const FETCH_BYTES = 524_288;

async function runGroup(
  consumer: Consumer,
  { brokers, topics }: GroupOptions,
  handlers: GroupHandlers,
): Promise<void> {
  consumer.on('consumer.group_join', ({ payload }) => {
    handlers.onAssigned(new Map(Object.entries(payload.memberAssignment)));
  });
  consumer.on('consumer.crash', ({ payload }) => {
    if (!payload.restart) handlers.onCrash(payload.error);
  });
  reportNothingVisible(consumer, handlers);
  await reached(brokers, async () => {
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => handBatch(payload, handlers),
    });
  });
}

/** A failure of ours ends the consumer; one of the client (a rebalance) is its own to handle. */
async function handBatch(
  { batch, heartbeat, resolveOffset }: EachBatchPayload,
  handlers: GroupHandlers,
): Promise<void> {
  const fetched = {
    topic: batch.topic,
    partition: batch.partition,
    fetchedOffset: Number((batch as typeof batch & { fetchedOffset: string }).fetchedOffset),
    nextOffset: Number(batch.lastOffset()) + 1,
    highWatermark: Number(batch.highWatermark),
    records: batch.messages,
  };
  for (const { headers } of batch.messages) if (headers !== undefined) dropInherited(headers);
  try {
    if (await handlers.onBatch(fetched, heartbeat)) resolveOffset(batch.lastOffset());
  } catch (error) {
    if (error instanceof Error && error.name.startsWith('KafkaJS')) throw error;
    handlers.onCrash(error);
  }
}

/** kafkajs steps over a batch without a visible record and tells only its instrumentation. */
function reportNothingVisible(consumer: Consumer, handlers: GroupHandlers): void {
  consumer.on('consumer.start_batch_process', ({ payload }) => {
    if (payload.batchSize > 0 || payload.firstOffset === null) return;
    const { topic, partition, firstOffset, lastOffset } = payload;
    handlers.onNothingVisible({
      topic,
      partition,
      firstOffset: Number(firstOffset),
      nextOffset: Number(lastOffset) + 1,
    });
  });
}

async function forgetGroup({ brokers, groupId, log }: GroupOptions): Promise<void> {
  await withAdmin(brokers, PATIENT, async (admin) => {
    const deleted = await admin.deleteGroups([groupId]);
    for (const { error } of deleted)
      if (error !== undefined) log.warn({ groupId, err: error }, 'group stays');
  });
}
