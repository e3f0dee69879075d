import { isFault } from '../infra/core/errorCatalog.ts';
import type { KafkaProducer, OutgoingRecord } from '../infra/core/kafka.ts';
import { headersSize } from '../infra/core/kafkaHeaders.ts';
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
  // The client cannot write a header without a value.
  const original = Object.entries(headers).flatMap(([name, header]) => {
    const values = [header].flat().filter((one) => one !== undefined && one !== null);
    const [only, ...more] = values;
    return only === undefined ? [] : [[name, more.length === 0 ? only : values] as const];
  });
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
 * copy rather than losing it. Where the dead-letter topic takes only smaller records, their large
 * parts stay behind: bronze has them. @throws KAFKA_UNAVAILABLE
 */
export async function sendDeadLetters(
  producer: KafkaProducer,
  letters: readonly DeadLetter[],
  source: { topic: string; topicId: string },
): Promise<void> {
  if (letters.length === 0) return;
  const topic = deadLetterTopic(source.topic);
  const copies = (of: readonly DeadLetter[]) => of.map((letter) => deadLetterRecord(letter, source));
  try {
    await producer.send(topic, copies(letters));
  } catch (error) {
    if (!isFault(error, 'KAFKA_MESSAGE_TOO_LARGE')) throw error;
    await producer.send(topic, copies(letters.map(withoutLargeParts)));
  }
}

// === Helpers ===

/** Any topic takes a record of some parts of this size. */
const SMALL_BYTES = 100_000;

/** What is left out is told by a header with its bytes. */
function withoutLargeParts(letter: DeadLetter): DeadLetter {
  const { key, value, headers } = letter;
  const sizes = { key: key?.length ?? 0, value: value?.length ?? 0, headers: headersSize(headers) };
  const large = Object.entries(sizes).filter(([, bytes]) => bytes > SMALL_BYTES);
  const omitted = large.map(([part, bytes]) => [`tidemark.${part}.omitted`, String(bytes)]);
  return {
    ...letter,
    key: sizes.key > SMALL_BYTES ? null : key,
    value: sizes.value > SMALL_BYTES ? null : value,
    headers: { ...(sizes.headers > SMALL_BYTES ? {} : headers), ...Object.fromEntries(omitted) },
  };
}

const PREFIX = '__connect.errors.';
