import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { KAFKA_VERSION } from '../../infra/stack/kafkaServer.ts';
import { planProcesses } from '../../infra/stack/processPlan.ts';
import { VERSITYGW_VERSION } from '../../infra/stack/s3Server.ts';
import { XGBOOST_VERSION } from '../../scoring/training/xgboostLibrary.ts';

const stackFile = (name: string) =>
  readFileSync(join(import.meta.dirname, '..', '..', 'infra', 'stack', name), 'utf8');

test('what is brought is what is started: one version in scripts, pom and code', () => {
  expect(stackFile('bring.sh')).toContain(`\nkafka_version=${KAFKA_VERSION}\n`);
  expect(stackFile('bring.sh')).toContain(`\nversitygw_version=${VERSITYGW_VERSION}\n`);
  expect(stackFile('bring.sh')).toContain(`\nxgboost_version=${XGBOOST_VERSION}\n`);
  expect(stackFile('broker.pom.xml')).toContain(
    `<artifactId>kafka_2.13</artifactId>\n      <version>${KAFKA_VERSION}<`,
  );
});

test('services of somebody else are not started, and nobody waits for them', () => {
  const env = {
    TIDEMARK_KAFKA: 'far:9092',
    TIDEMARK_POSTGRES_URL: 'postgres://far/db',
    TIDEMARK_DEMO: 'off',
  };
  const plan = planProcesses(loadConfig(env));
  expect(plan.map(({ name, needs }) => [name, needs])).toEqual([
    ['ingest', []],
    ['score', []],
    ['jobs', []],
  ]);
});

test('scheduled jobs yield to landing, decisions and the services, and each need is in the plan', () => {
  const plan = planProcesses(loadConfig({}));
  const nice = Object.fromEntries(plan.map((spec) => [spec.name, spec.nice]));
  expect(nice).toEqual({ kafka: 0, postgres: 0, ingest: 0, score: 0, jobs: 10, demo: 5 });
  const names = plan.map(({ name }) => name);
  for (const { needs } of plan) expect(names).toEqual(expect.arrayContaining([...needs]));
});
