import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { ensureTopics, fetchTopicStates } from '../../infra/core/kafka.ts';
import { openLeanProducer } from '../../infra/core/kafkaLeanProducer.ts';
import { readTopic } from '../../infra/core/kafkaReader.ts';
import { freePorts } from '../../infra/stack/freePorts.ts';
import { type KafkaServer, startKafka } from '../../infra/stack/kafkaServer.ts';
import { silentLog } from '../support/tempLake.ts';

const PARTITIONS = 3;
let home = '';
let kafka: KafkaServer;
let start: () => KafkaServer;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tidemark-lean-'));
  const [port = 0, controllerPort = 0] = await freePorts(2);
  const { toolsDir } = loadConfig(process.env);
  start = () =>
    startKafka({ dir: join(home, 'kafka'), port, controllerPort, toolsDir }, { dieWithParent: true });
  kafka = start();
  await kafka.ready;
  await ensureTopics([kafka.brokers], [{ topic: 'lean', partitions: PARTITIONS }]);
});

afterAll(async () => {
  await kafka.stop();
  await rm(home, { recursive: true, force: true });
});

test('sends one after the other live through a broker that is killed: none missing, first copies in order', async () => {
  await using producer = openLeanProducer({ brokers: [kafka.brokers], clientId: 'lean' });
  const sendPart = (part: number) => producer.send('lean', recordsOf(part));
  for (let part = 0; part < 20; part += 1) await sendPart(part);
  const inFlight = sendPart(20);
  await kafka.kill();
  kafka = start();
  await kafka.ready;
  await inFlight;
  for (let part = 21; part < 40; part += 1) await sendPart(part);

  const found = await readAll();
  for (const [partition, numbers] of found) {
    // What a reader by the high-water rule keeps.
    const kept = numbers.filter((n, at) => numbers.slice(0, at).every((before) => before < n));
    expect(kept).toEqual(numbersOf(partition));
  }
  expect(found.size).toBe(PARTITIONS);
});

test('sends that are larger than a request are cut; a record that is too large is said to be', async () => {
  await using producer = openLeanProducer({ brokers: [kafka.brokers], clientId: 'lean' });
  const value = 'x'.repeat(300_000);
  const sent = await producer.send(
    'lean',
    Array.from({ length: 9 }, () => ({ key: 'k', value, partition: 1 })),
  );
  expect(sent.length).toBeGreaterThan(1);
  const huge = producer.send('lean', [{ key: 'k', value: 'x'.repeat(2_000_000), partition: 1 }]);
  await expect(huge).rejects.toMatchObject({ code: 'KAFKA_MESSAGE_TOO_LARGE' });
});

function recordsOf(part: number) {
  return Array.from({ length: 60 }, (_, n) => {
    const value = String(part * 60 + n);
    return { key: `k${n}`, value, partition: n % PARTITIONS };
  });
}

function numbersOf(partition: number): number[] {
  return Array.from({ length: 40 * 60 }, (_, n) => n).filter((n) => n % PARTITIONS === partition);
}

async function readAll(): Promise<Map<number, number[]>> {
  const brokers = [kafka.brokers];
  const [state] = await fetchTopicStates(brokers, ['lean']);
  const ranges = (state?.partitions ?? []).map(({ partition, logStart, logEnd }) => {
    return { partition, from: logStart, to: logEnd };
  });
  const found = new Map<number, number[]>();
  await readTopic({ brokers, topic: 'lean', ranges, log: silentLog }, async ({ partition, records }) => {
    const numbers = records.map(({ value }) => Number(value?.toString()));
    found.set(partition, [...(found.get(partition) ?? []), ...numbers]);
  });
  return found;
}
