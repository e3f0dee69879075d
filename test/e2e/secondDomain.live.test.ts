import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { connectProducer, ensureTopics } from '../../infra/core/kafka.ts';
import { openLake } from '../../infra/lake.ts';
import { openTransforms } from '../../infra/transforms.ts';
import { topicSpecs } from '../../ingestion/landing.ts';
import { openSqlGateway } from '../../lakehouse/sqlGateway.ts';
import { runModels } from '../../transforms/run.ts';
import { startChild } from '../support/childProcess.ts';
import { landingLag } from '../support/landingLag.ts';
import { silentLog } from '../support/tempLake.ts';
import { contentOf } from '../support/testContent.ts';
import { verifyContent } from '../support/verifyContent.ts';

const services = inject('services');
const brokers = [services.kafka];
const topic = `sensors-${Date.now()}`;
const content = contentOf(`sensors:${topic}`);
let env: Record<string, string> = {};

beforeAll(async () => {
  const home = await mkdtemp(join(tmpdir(), 'tidemark-sensors-'));
  env = {
    TIDEMARK_HOME: home,
    TIDEMARK_KAFKA: services.kafka,
    TIDEMARK_GROUP: topic,
    TIDEMARK_FLUSH_INTERVAL: '200ms',
    TIDEMARK_TEST_CONTENT: `sensors:${topic}`,
  };
  await ensureTopics(brokers, content.contracts.flatMap(topicSpecs));
});

afterAll(() => rm(env['TIDEMARK_HOME'] ?? '', { recursive: true, force: true }));

test('a domain without money and actors goes from Kafka to gold by another content object alone', async () => {
  const at = (minute: number) => new Date(Date.now() - minute * 60_000).toISOString();
  const reading = (uid: string, sensor: string, rest: object) => ({
    key: sensor,
    value: JSON.stringify({ reading_uid: uid, sensor, measured: at(1), ...rest }),
  });
  await using producer = await connectProducer({ brokers, clientId: topic, log: silentLog });
  await producer.send(topic, [
    reading('a', 'north', { celsius: -3.5, calibrated: true }),
    reading('b', 'north', { celsius: 4.25, calibrated: true }),
    reading('b', 'north', { celsius: 9, calibrated: true }),
    reading('c', 'south', { calibrated: true }),
    reading('d', 'south', { celsius: 20, calibrated: false }),
    reading('e', 'south', { celsius: 99, calibrated: true }),
    { key: 'south', value: 'no json' },
  ]);

  const ingest = startChild('ingest', env);
  await using lake = await openLake(loadConfig(env), { log: silentLog });
  try {
    await expect.poll(() => landingLag(lake, content, brokers), { timeout: 60_000 }).toBe(0);
  } finally {
    ingest.kill('SIGTERM');
  }
  const ending = await ingest.ended;
  expect(ending.code, ending.stderr).toBe(0);
  await runModels(await openTransforms(lake, content, silentLog));

  await using gateway = await openSqlGateway(lake, {
    limits: { memoryBytes: 256 * 2 ** 20, threads: 1, timeoutMs: 30_000 },
  });
  const rows = async (sql: string) => {
    await using answer = await gateway.query(sql);
    const all = [];
    for await (const chunk of answer.chunks) all.push(...chunk);
    return all;
  };
  expect(
    await rows('select sensor, readings, coldest, warmest from gold.sensor_days order by sensor'),
  ).toEqual([
    ['north', '2', -3.5, 4.25],
    ['south', '1', null, null],
  ]);
  expect(
    await rows('select _error.code, _error.detail from bronze.dead_letters order by _partition, _offset'),
  ).toHaveLength(2);
  const report = await verifyContent(lake, content, brokers);
  expect(report.violations).toEqual([]);
});
