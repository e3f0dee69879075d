import { ProduceAcks, Producer, stringSerializers } from '@platformatic/kafka';
import { expect, inject, test } from 'vitest';
import { ensureTopics, fetchTopicStates } from '../../infra/core/kafka.ts';
import { readTopic } from '../../infra/core/kafkaReader.ts';
import { silentLog } from '../support/tempLake.ts';

const brokers = [inject('services').kafka];

test.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
  'batches compressed with %s are read as they were sent',
  async (compression) => {
    const topic = `codec-${compression}-${Date.now()}`;
    await ensureTopics(brokers, [{ topic, partitions: 1 }]);
    await expect.poll(() => fetchTopicStates(brokers, [topic])).toHaveLength(1);
    const sent = Array.from(
      { length: 200 },
      (_, n) => `${n} ${'the same words again and again '.repeat(20)}`,
    );
    const producer = new Producer({
      clientId: topic,
      bootstrapBrokers: brokers,
      serializers: stringSerializers,
      compression,
    });
    await producer.send({
      messages: sent.map((value) => ({ topic, partition: 0, key: 'k', value })),
      acks: ProduceAcks.ALL,
    });
    await producer.close();
    const read: string[] = [];
    await readTopic(
      { brokers, topic, ranges: [{ partition: 0, from: 0, to: sent.length }], log: silentLog },
      async (batch) => {
        for (const { value } of batch.records) read.push(String(value));
      },
    );
    expect(read).toEqual(sent);
  },
);
