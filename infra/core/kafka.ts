import type { Admin, IHeaders } from 'kafkajs';
import { systemClock } from './clock.ts';
import { fault } from './errorCatalog.ts';
import { kafkaClient, PATIENT, reached, withAdmin } from './kafkaClient.ts';
import { headersSize, sizeOf } from './kafkaHeaders.ts';
import { openTopicIdReader } from './kafkaTopicIds.ts';
import { murmur2 } from './murmur2.ts';
import type { Logger } from './ports.ts';
import { withRetry } from './retry.ts';

/**
 * The door to Kafka, with `kafkaGroup.ts` (consumers) and `kafkaClient.ts` (what both stand on); nothing
 * else imports kafkajs. Offsets are numbers: 2^53 records are enough for a partition.
 */

export interface OutgoingRecord {
  readonly key: Uint8Array | string | null;
  readonly value: Uint8Array | string | null;
  readonly headers?: Readonly<Record<string, string | Uint8Array | readonly (string | Uint8Array)[]>>;
  /** For topics with CreateTime; a topic with LogAppendTime ignores it. */
  readonly timestampMs?: number;
  /** By the key (Java's murmur2) when absent. */
  readonly partition?: number;
}

export interface SentRange {
  readonly partition: number;
  /** Offset of the first record of this send in the partition. */
  readonly baseOffset: number;
}

export interface KafkaProducer extends AsyncDisposable {
  /** Resolves when all in-sync replicas have the records; survives an outage of a minute. @throws KAFKA_UNAVAILABLE, KAFKA_MESSAGE_TOO_LARGE */
  send(topic: string, records: readonly OutgoingRecord[]): Promise<SentRange[]>;
}

export interface TopicSpec {
  readonly topic: string;
  readonly partitions: number;
  readonly config?: Readonly<Record<string, string>>;
}

export interface TopicState {
  readonly topic: string;
  /** Kafka's id of this incarnation of the topic. */
  readonly topicId: string;
  /** Sorted by partition. `logEnd` is the offset after the last record, `logStart` that of the first. */
  readonly partitions: readonly {
    readonly partition: number;
    readonly logStart: number;
    readonly logEnd: number;
  }[];
}

/** The partition that Java's default partitioner gives a keyed record: murmur2 of the key's bytes. */
export function partitionOf(key: Uint8Array | string, partitions: number): number {
  const keyBytes = typeof key === 'string' ? Buffer.from(key, 'utf8') : key;
  return (murmur2(keyBytes) & 0x7fffffff) % partitions;
}

/** A producer with acks from all replicas. @throws KAFKA_UNAVAILABLE */
export async function connectProducer(options: {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly log: Logger;
}): Promise<KafkaProducer> {
  const producer = kafkaClient(options).producer({
    allowAutoTopicCreation: false,
    retry: PATIENT,
    createPartitioner: () => choosePartition,
  });
  await reached(options.brokers, () => producer.connect());
  return {
    send: async (topic, records) => {
      const sent: SentRange[] = [];
      for (const slice of sliceByBytes(records)) {
        const messages = slice.map(toMessage);
        const answers = await reached(options.brokers, () => producer.send({ topic, messages, acks: -1 }));
        for (const { partition, baseOffset } of answers) {
          sent.push({ partition, baseOffset: Number(baseOffset ?? -1) });
        }
      }
      return sent;
    },
    [Symbol.asyncDispose]: () => producer.disconnect(),
  };
}

/**
 * Creates what is missing. Topics that exist keep their configuration, but must have the partitions
 * of the specification and must not be compacted. @throws KAFKA_TOPIC_PARTITIONS, KAFKA_TOPIC_COMPACTED, KAFKA_UNAVAILABLE
 */
export async function ensureTopics(brokers: readonly string[], specs: readonly TopicSpec[]): Promise<void> {
  await withAdmin(brokers, PATIENT, async (admin) => {
    const existing = new Set(await admin.listTopics());
    const topics = specs
      .filter(({ topic }) => !existing.has(topic))
      .map(({ topic, partitions, config = {} }) => ({
        topic,
        numPartitions: partitions,
        configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
      }));
    // Several processes may get here at once: that a topic exists by now is no error.
    // A broker that does not know yet what it has just made says so to who asks for it.
    const isRetriable = (error: unknown) => isElecting(error) || isUnknownTopic(error);
    const patiently = (ask: () => Promise<unknown>) => withRetry(ask, { clock: systemClock, isRetriable });
    if (topics.length > 0) {
      await patiently(() => admin.createTopics({ topics, waitForLeaders: true, timeout: 15_000 }));
    }
    await patiently(() => checkPartitions(admin, specs));
    await refuseCompacted(admin, specs);
  });
}

/**
 * Identity and extent of each topic that exists, in the order asked for; missing ones are left out.
 * @param retries 0 answers within seconds when no broker is there. @throws KAFKA_UNAVAILABLE
 */
export async function fetchTopicStates(
  brokers: readonly string[],
  topics: readonly string[],
  { retries = PATIENT.retries }: { readonly retries?: number } = {},
): Promise<TopicState[]> {
  await using reader = await openTopicReader(brokers, { retries });
  return await reader.read(topics);
}

export interface TopicReader extends AsyncDisposable {
  read(topics: readonly string[]): Promise<TopicState[]>;
}

export interface TopicTimes {
  /** By partition, the offset of the first record that arrived at or after this time; the log's end where none has. */
  offsetsAt(topic: string, timestampMs: number): Promise<ReadonlyMap<number, number>>;
}

/** The connection behind `fetchTopicStates`, for those who ask often. @throws KAFKA_UNAVAILABLE */
export async function openTopicReader(
  brokers: readonly string[],
  { retries = PATIENT.retries }: { readonly retries?: number } = {},
): Promise<TopicReader & TopicTimes> {
  await using stack = new AsyncDisposableStack();
  const ids = stack.use(openTopicIdReader({ brokers, clientId: 'tidemark-topics', retries }));
  const admin = kafkaClient({ brokers, clientId: 'tidemark-topics', retries }).admin({
    retry: { ...PATIENT, retries },
  });
  stack.defer(() => admin.disconnect());
  await reached(brokers, () => admin.connect());
  const owned = stack.move();
  return {
    read: async (topics) => {
      const identities = await ids.read(topics);
      const present = topics.filter((topic) => identities.has(topic));
      return await Promise.all(
        present.map(async (topic) => {
          const offsets = await reached(brokers, () =>
            withRetry(() => admin.fetchTopicOffsets(topic), {
              clock: systemClock,
              isRetriable: (error) => retries > 0 && isElecting(error),
            }),
          );
          const partitions = offsets
            .map(({ partition, low, high }) => ({ partition, logStart: Number(low), logEnd: Number(high) }))
            .sort((a, b) => a.partition - b.partition);
          return { topic, topicId: identities.get(topic)?.topicId ?? '', partitions };
        }),
      );
    },
    offsetsAt: async (topic, timestampMs) => {
      const found = await reached(brokers, () => admin.fetchTopicOffsetsByTimestamp(topic, timestampMs));
      return new Map(found.map(({ partition, offset }) => [partition, Number(offset)]));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

// === Helpers ===

/** Below the broker's default limit of a record batch, with room for its overhead. */
const SEND_BYTES = 700_000;

/**
 * A partition without a leader yet, as for a moment after its topic was created or its broker came
 * back. kafkajs retries that when it produces and fetches, but not when it asks for offsets.
 */
function isElecting(error: unknown): boolean {
  const { type, cause } = error as { type?: string; cause?: unknown };
  const electing = type === 'NOT_LEADER_FOR_PARTITION' || type === 'LEADER_NOT_AVAILABLE';
  return electing || (cause !== undefined && isElecting(cause));
}

function isUnknownTopic(error: unknown): boolean {
  return (error as { type?: string }).type === 'UNKNOWN_TOPIC_OR_PARTITION';
}

async function checkPartitions(admin: Admin, specs: readonly TopicSpec[]): Promise<void> {
  const { topics } = await admin.fetchTopicMetadata({ topics: specs.map(({ topic }) => topic) });
  for (const { topic, partitions } of specs) {
    const actual = topics.find(({ name }) => name === topic)?.partitions.length ?? 0;
    if (actual !== partitions) throw fault('KAFKA_TOPIC_PARTITIONS', { topic, actual, expected: partitions });
  }
}

async function refuseCompacted(admin: Admin, specs: readonly TopicSpec[]): Promise<void> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: specs.map(({ topic }) => ({
      type: TOPIC_RESOURCE,
      name: topic,
      configNames: ['cleanup.policy'],
    })),
  });
  for (const { resourceName, configEntries } of resources) {
    const policy = configEntries.find(({ configName }) => configName === 'cleanup.policy')?.configValue ?? '';
    if (policy.includes('compact')) throw fault('KAFKA_TOPIC_COMPACTED', { topic: resourceName, policy });
  }
}

const TOPIC_RESOURCE = 2;

function choosePartition({
  message,
  partitionMetadata,
}: {
  message: { key?: Buffer | string | null; partition?: number };
  partitionMetadata: readonly unknown[];
}): number {
  if (message.partition !== undefined) return message.partition;
  if (message.key === null || message.key === undefined)
    return Math.floor(Math.random() * partitionMetadata.length);
  return partitionOf(message.key, partitionMetadata.length);
}

function toMessage({ key, value, headers, timestampMs, partition }: OutgoingRecord) {
  return {
    key: bytes(key),
    value: bytes(value),
    ...(headers === undefined ? {} : { headers: headers as IHeaders }),
    ...(timestampMs === undefined ? {} : { timestamp: String(timestampMs) }),
    ...(partition === undefined ? {} : { partition }),
  };
}

function bytes(data: Uint8Array | string | null): Buffer | string | null {
  if (data === null || typeof data === 'string') return data;
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** kafkajs never splits a batch: a send is cut so that each partition's part stays below the limit. */
export function* sliceByBytes(records: readonly OutgoingRecord[]): Iterable<readonly OutgoingRecord[]> {
  let start = 0;
  let size = 0;
  for (const [index, { key, value, headers }] of records.entries()) {
    const recordBytes = sizeOf(key) + sizeOf(value) + headersSize(headers) + 64;
    if (index > start && size + recordBytes > SEND_BYTES) {
      yield records.slice(start, index);
      start = index;
      size = 0;
    }
    size += recordBytes;
  }
  if (start < records.length) yield records.slice(start);
}
