import { expect, test } from 'vitest';
import { fault } from '../../infra/core/errorCatalog.ts';
import type { KafkaProducer, OutgoingRecord } from '../../infra/core/kafka.ts';
import { headersSize, sizeOf } from '../../infra/core/kafkaHeaders.ts';
import { BronzeBatch, type DeadLetter, type PlacedRecord } from '../../ingestion/bronzeBatch.ts';
import { sendDeadLetters } from '../../ingestion/deadLetter.ts';
import { compileDecoder } from '../../ingestion/decoder.ts';
import { ARRIVED_MS, PARCELS } from './records.ts';

/** A dead-letter topic that somebody made with the limit that brokers have by themselves. */
const LIMIT = 1_048_588;

/** Takes what kafkajs and such a topic take: header values are there, records are not too large. */
function smallTopic(): KafkaProducer & { readonly taken: OutgoingRecord[] } {
  const taken: OutgoingRecord[] = [];
  return {
    taken,
    send: async (_topic, records) => {
      for (const { key, value, headers } of records) {
        const values = Object.values(headers ?? {}).flat() as (string | Uint8Array | null)[];
        if (values.includes(null)) throw new TypeError('a header without a value');
        if (sizeOf(key) + sizeOf(value) + headersSize(headers) > LIMIT)
          throw fault('KAFKA_MESSAGE_TOO_LARGE', { detail: 'too large' });
      }
      taken.push(...records);
      return [];
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

function lettersOf(record: Partial<PlacedRecord>): readonly DeadLetter[] {
  using batch = new BronzeBatch({ decoder: compileDecoder(PARCELS), scratchDir: '/tmp', startedMs: 0 });
  const placed = { partition: 0, offset: 7, arrivedAtMs: ARRIVED_MS, key: null, value: Buffer.from('{') };
  batch.add({ ...placed, ...record });
  return batch.deadLetters;
}

const source = { topic: 'parcels', topicId: 'id-1' };

test.each([
  ['value', { value: Buffer.alloc(LIMIT) }],
  ['key', { key: Buffer.alloc(LIMIT) }],
  ['headers', { headers: { note: Buffer.alloc(LIMIT) } }],
  ['headers', { headers: { note: [Buffer.alloc(LIMIT / 2), Buffer.alloc(LIMIT / 2)] } }],
])('a record that is large by its %s leaves a copy of the rest', async (part, record) => {
  const producer = smallTopic();
  await sendDeadLetters(producer, lettersOf(record), source);
  expect(producer.taken).toHaveLength(1);
  expect(producer.taken[0]).toMatchObject({
    key: 'parcels:id-1:0:7',
    headers: {
      '__connect.errors.offset': '7',
      [`tidemark.${part}.omitted`]: expect.stringMatching(/^10485\d\d|10486\d\d$/),
    },
  });
});

test('a header without a value is left out, repeated or not', async () => {
  const producer = smallTopic();
  const headers = { a: null, b: [null, Buffer.from('x')] } as unknown as PlacedRecord['headers'];
  await sendDeadLetters(producer, lettersOf({ headers }), source);
  expect(producer.taken[0]?.headers).toMatchObject({ b: Buffer.from('x') });
  expect(producer.taken[0]?.headers).not.toHaveProperty('a');
});

test('a copy holds on to nothing of the fetch that its record came with', () => {
  const fetch = Buffer.alloc(500_000);
  const view = (from: number) => fetch.subarray(from, from + 10);
  const headers = { a: view(20), b: [view(40), view(60)] };
  const [letter] = lettersOf({ key: view(0), value: view(10), headers });
  const held = [letter?.key, letter?.value, ...Object.values(letter?.headers ?? {}).flat()];
  expect(held).toHaveLength(5);
  for (const bytes of held) expect((bytes as Buffer).buffer).not.toBe(fetch.buffer);
});
