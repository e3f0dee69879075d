import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../../infra/core/config.ts';
import { connectProducer } from '../../../infra/core/kafka.ts';
import { freePorts } from '../../../infra/stack/freePorts.ts';
import { startKafka } from '../../../infra/stack/kafkaServer.ts';
import type { Decision } from '../../../scoring/decision.ts';
import { startChild } from '../../support/childProcess.ts';
import { silentLog } from '../../support/tempLake.ts';
import {
  alertFacts,
  expectedAlerts,
  freshDatabase,
  mixture,
  openStore,
  recordOf,
  seenOffsets,
} from './support.ts';

const PATIENCE = { timeout: 90_000, interval: 100 };

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tidemark-alerts-broker-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test('Kafka away at the start, killed, and back: alerts go on, and stopping never waits for it', async () => {
  const [port = 0, controllerPort = 0] = await freePorts(2);
  const { toolsDir } = loadConfig(process.env);
  const start = () =>
    startKafka({ dir: join(dir, 'kafka'), port, controllerPort, toolsDir }, { dieWithParent: true });
  const brokers = [`127.0.0.1:${port}`];
  const topic = 'away.decisions';
  const url = await freshDatabase();
  const env = {
    TIDEMARK_HOME: join(dir, 'home'),
    TIDEMARK_KAFKA: `127.0.0.1:${port}`,
    TIDEMARK_POSTGRES_URL: url,
    TIDEMARK_TEST_CONTENT: 'payments:away.',
  };
  await using postgres = await openStore(url);
  const child = startChild('alerts', env);
  await expect.poll(() => child.output(), PATIENCE).toContain('KAFKA_UNAVAILABLE');
  let kafka = start();
  try {
    await kafka.ready;
    await expect.poll(() => child.output(), PATIENCE).toContain('making alerts from decisions');
    const made: Decision[] = mixture(900);
    {
      await using producer = await connectProducer({ brokers, clientId: 'test', log: silentLog });
      await producer.send(topic, made.slice(0, 600).map(recordOf));
      await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(600);
      await kafka.kill();
      const sending = producer.send(topic, made.slice(600).map(recordOf));
      kafka = start();
      await kafka.ready;
      await sending;
    }
    await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(900);
    expect(await alertFacts(postgres)).toEqual(expectedAlerts(made));
  } finally {
    await kafka.kill();
    child.kill('SIGTERM');
  }
  expect((await child.ended).code, child.output()).toBe(0);
}, 300_000);
