import { ProduceAcks, Producer } from '@platformatic/kafka';
import { systemClock } from './clock.ts';
import { isFault } from './errorCatalog.ts';
import { type KafkaProducer, type OutgoingRecord, sliceByBytes } from './kafka.ts';
import { reached } from './kafkaClient.ts';
import { withRetry } from './retry.ts';

/** Longer than a broker needs to restart, after kill -9 too. */
const PATIENCE = { initialMs: 100, maxDelayMs: 2_000, totalTimeoutMs: 120_000 };

/**
 * A producer at half the cost a record of the other one (decision 0002), for whoever names the partition of
 * each record and has one send in flight. Acks from all replicas; nothing connects before the first send. A
 * send whose answer was lost is repeated: its records may be there twice, each time in their order.
 */
export function openLeanProducer(options: {
  readonly brokers: readonly string[];
  readonly clientId: string;
}): KafkaProducer {
  const { brokers, clientId } = options;
  const producer = new Producer<Buffer, Buffer, Buffer, Buffer>({
    clientId,
    bootstrapBrokers: [...brokers],
    acks: ProduceAcks.ALL,
    idempotent: false,
    autocreateTopics: false,
    repeatOnStaleMetadata: true,
    retries: 1,
    retryDelay: 200,
    connectTimeout: 3_000,
    requestTimeout: 10_000,
  });
  const sendOnce = (messages: ReturnType<typeof toMessage>[]) =>
    reached(brokers, async () => {
      try {
        return await producer.send({ messages });
      } catch (error) {
        throw withType(error);
      }
    });
  return {
    send: async (topic, records) => {
      const sent = [];
      for (const slice of sliceByBytes(records)) {
        const messages = slice.map((record) => toMessage(topic, record));
        const { offsets = [] } = await withRetry(() => sendOnce(messages), {
          clock: systemClock,
          isRetriable: (error) => isFault(error, 'KAFKA_UNAVAILABLE'),
          policy: PATIENCE,
        });
        sent.push(...offsets.map(({ partition, offset }) => ({ partition, baseOffset: Number(offset) })));
      }
      return sent;
    },
    [Symbol.asyncDispose]: () => producer.close(),
  };
}

// === Helpers ===

function toMessage(topic: string, { key, value, partition }: OutgoingRecord) {
  if (partition === undefined) throw new Error('this producer is told the partition of each record');
  return { topic, partition, key: bytes(key), value: bytes(value) };
}

function bytes(data: Uint8Array | string | null): Buffer {
  return typeof data === 'string' ? Buffer.from(data, 'utf8') : Buffer.from(data ?? []);
}

/** The failure that nobody can wait for, called as the other client calls it. */
function withType(error: unknown): unknown {
  const isTooLarge = findTooLarge(error);
  return isTooLarge
    ? Object.assign(new Error('MESSAGE_TOO_LARGE', { cause: error }), { type: 'MESSAGE_TOO_LARGE' })
    : error;
}

function findTooLarge(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ((error as { apiId?: unknown }).apiId === 'MESSAGE_TOO_LARGE') return true;
  return error instanceof AggregateError && error.errors.some(findTooLarge);
}
