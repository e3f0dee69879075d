import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { connectProducer, ensureTopics, fetchTopicStates } from '../../infra/core/kafka.ts';
import { openLake } from '../../infra/lake.ts';
import { freePorts } from '../../infra/stack/freePorts.ts';
import { type KafkaServer, startKafka } from '../../infra/stack/kafkaServer.ts';
import { topicSpecs } from '../../ingestion/landing.ts';
import { startChild } from '../support/childProcess.ts';
import { landingLag } from '../support/landingLag.ts';
import { silentLog } from '../support/tempLake.ts';
import { contentOf } from '../support/testContent.ts';
import { verifyContent } from '../support/verifyContent.ts';

const content = contentOf('sensors:outage');
const RECORDS_PER_PHASE = 3_000;
let home = '';
let kafka: KafkaServer;
let start: () => KafkaServer;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tidemark-outage-'));
  const [port = 0, controllerPort = 0] = await freePorts(2);
  const { toolsDir } = loadConfig(process.env);
  start = () =>
    startKafka({ dir: join(home, 'kafka'), port, controllerPort, toolsDir }, { dieWithParent: true });
  kafka = start();
  await kafka.ready;
});

afterAll(async () => {
  await kafka.stop();
  await rm(home, { recursive: true, force: true });
});

test('ingest and a producer live through a broker that is killed and started again', async () => {
  const brokers = [kafka.brokers];
  await ensureTopics(brokers, content.contracts.flatMap(topicSpecs));
  const env = {
    TIDEMARK_HOME: join(home, 'tidemark'),
    TIDEMARK_KAFKA: kafka.brokers,
    TIDEMARK_FLUSH_INTERVAL: '300ms',
    TIDEMARK_TEST_CONTENT: 'sensors:outage',
  };
  await using lake = await openLake(loadConfig(env), { log: silentLog });
  await using producer = await connectProducer({ brokers, clientId: 'outage', log: silentLog });
  const ingest = startChild('ingest', env);
  try {
    await producer.send('outage', readings(0));
    await expect.poll(() => landingLag(lake, content, brokers), { timeout: 60_000 }).toBe(0);

    await kafka.kill();
    const sending = producer.send('outage', readings(1));
    kafka = start();
    await kafka.ready;
    await sending;

    await expect.poll(() => landingLag(lake, content, brokers), { timeout: 90_000 }).toBe(0);
    expect(ingest.output()).not.toContain('"level":50');
  } finally {
    ingest.kill('SIGTERM');
  }
  const ending = await ingest.ended;
  expect(ending.code, ending.stderr).toBe(0);

  const [state] = await fetchTopicStates(brokers, ['outage']);
  const offered = state?.partitions.reduce((sum, { logEnd }) => sum + logEnd, 0) ?? 0;
  expect(offered).toBeGreaterThanOrEqual(2 * RECORDS_PER_PHASE);
  const report = await verifyContent(lake, content, brokers);
  expect(report.violations).toEqual([]);
});

function readings(phase: number) {
  return Array.from({ length: RECORDS_PER_PHASE }, (_, n) => {
    const sensor = `sensor-${n % 20}`;
    const value = {
      reading_uid: `${phase}-${n}`,
      sensor,
      measured: new Date(),
      celsius: n % 40,
      calibrated: true,
    };
    return { key: sensor, value: JSON.stringify(value) };
  });
}
