import { isFault } from '../infra/core/errorCatalog.ts';
import type { KafkaProducer, OutgoingRecord } from '../infra/core/kafka.ts';
import type { DeadLetter } from './bronzeBatch.ts';

/** Where bad records of a topic are copied to. */
export function deadLetterTopic(topic: string): string {
  return `${topic}.dlq`;
}

/**
 * The copy of a bad record: value unchanged, its identity as key, so that a copy that comes twice is
 * seen; why it is bad stands in headers with the names that Kafka Connect gave them. Pure.
 */
function deadLetterRecord(letter: DeadLetter, source: { topic: string; topicId: string }): OutgoingRecord {
  const { partition, offset, key, value, headers = {}, error } = letter;
  const original = Object.entries(headers).flatMap(([name, header]) =>
    header === undefined || header === null ? [] : [[name, header] as const],
  );
  return {
    key: `${source.topic}:${source.topicId}:${partition}:${offset}`,
    value,
    headers: {
      ...Object.fromEntries(original),
      [`${PREFIX}topic`]: source.topic,
      [`${PREFIX}partition`]: String(partition),
      [`${PREFIX}offset`]: String(offset),
      [`${PREFIX}connector.name`]: 'tidemark-landing',
      [`${PREFIX}task.id`]: String(partition),
      [`${PREFIX}stage`]: error.stage,
      [`${PREFIX}class.name`]: 'ingestion/decoder.ts',
      [`${PREFIX}exception.class.name`]: error.code,
      [`${PREFIX}exception.message`]: error.detail.toWellFormed(),
      'tidemark.topic.id': source.topicId,
      ...(key === null ? {} : { 'tidemark.key': key }),
    },
  };
}

/**
 * Copies the bad records of a batch. Before their commit, so that a crash between the two repeats a
 * copy rather than losing it. Where the dead-letter topic takes only smaller records, large values
 * stay behind: bronze has them. @throws KAFKA_UNAVAILABLE
 */
export async function sendDeadLetters(
  producer: KafkaProducer,
  letters: readonly DeadLetter[],
  source: { topic: string; topicId: string },
): Promise<void> {
  if (letters.length === 0) return;
  const topic = deadLetterTopic(source.topic);
  const records = letters.map((letter) => deadLetterRecord(letter, source));
  try {
    await producer.send(topic, records);
  } catch (error) {
    if (!isFault(error, 'KAFKA_MESSAGE_TOO_LARGE')) throw error;
    await producer.send(topic, records.map(withoutLargeValue));
  }
}

// === Helpers ===

/** Any topic takes a record of this size. */
const SMALL_BYTES = 100_000;

function withoutLargeValue(record: OutgoingRecord): OutgoingRecord {
  if (record.value === null || record.value.length <= SMALL_BYTES) return record;
  const headers = { ...record.headers, 'tidemark.value.omitted': String(record.value.length) };
  return { ...record, value: null, headers };
}

const PREFIX = '__connect.errors.';
