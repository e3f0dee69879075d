import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { connectProducer, ensureTopics, fetchTopicStates } from '../../infra/core/kafka.ts';
import { kafkaOffsets } from '../../observability/kafkaOffsets.ts';
import { type VerifyReport, verifyLake } from '../../observability/verify.ts';
import { openTempLake, silentLog, type TempLake } from '../support/tempLake.ts';
import { land, TABLE } from './verifyLakes.ts';

/** The comparison with a real broker; the table is landed by hand, so that it can lie. */
const brokers = [inject('services').kafka];
const topic = `verify-${randomUUID()}`;
let lake: TempLake;

beforeAll(async () => {
  lake = await openTempLake();
  await ensureTopics(brokers, [{ topic, partitions: 2 }]);
  await using producer = await connectProducer({ brokers, clientId: 'verify-test', log: silentLog });
  for (const [partition, count] of [
    [0, 500],
    [1, 30],
  ] as const) {
    const records = Array.from({ length: count }, (_, i) => ({ key: 'k', value: `v${i}`, partition }));
    await producer.send(topic, records);
  }
});
afterAll(() => lake[Symbol.asyncDispose]());

const verify = (): Promise<VerifyReport> =>
  verifyLake(
    { lake, source: kafkaOffsets({ brokers, log: silentLog }) },
    { topics: [{ topic, table: TABLE }], keyedTables: [] },
  );

it('what landed equals what a real broker has; what is missing afterwards is found', async () => {
  const [state] = await fetchTopicStates(brokers, [topic]);
  const topicId = state?.topicId ?? '';
  expect((await verify()).unlanded).toEqual([{ topic, topicId, records: 530 }]);

  const place = { topic, topicId };
  await land(
    lake,
    [
      { partition: 0, from: 0, to: 400 },
      { partition: 1, from: 0, to: 30 },
    ],
    place,
  );
  const clean = await verify();
  expect(clean.violations).toEqual([]);
  expect(clean.incarnations[0]?.kafka).toMatchObject([
    { partition: 0, from: 0, to: 400, records: 400, lag: 100 },
    { partition: 1, from: 0, to: 30, records: 30, lag: 0 },
  ]);

  await land(lake, [{ partition: 0, from: 400, to: 500, gaps: [450, 451] }], place);
  const damaged = await verify();
  expect(damaged.violations).toEqual([
    {
      code: 'KAFKA_MISSING',
      where: `${TABLE} ${topic}@${topicId}:0`,
      what: '2 records, offsets 450 to 451',
    },
  ]);
});

it('goes on at the start of the log when retention takes what it was about to read', async () => {
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '100' }] });
  } finally {
    await admin.disconnect();
  }
  const offsets: number[] = [];
  const ranges = [{ partition: 0, from: 0, to: 300 }];
  await kafkaOffsets({ brokers, log: silentLog }).read(topic, ranges, (_partition, some) =>
    offsets.push(...some),
  );
  expect([offsets.length, offsets[0], offsets.at(-1)]).toEqual([200, 100, 299]);
});
