import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { loadConfig } from '../../infra/core/config.ts';
import { freePorts } from '../../infra/stack/freePorts.ts';
import { startKafka } from '../../infra/stack/kafkaServer.ts';
import { startPostgres } from '../../infra/stack/postgresServer.ts';
import { type S3Access, startS3 } from '../../infra/stack/s3Server.ts';
import type { RunningServer } from '../../infra/stack/serverProcess.ts';

/** The real services that live tests share; each test makes its own topics, buckets, databases. */
export interface LiveServices {
  /** `host:port` of one broker. */
  readonly kafka: string;
  readonly postgresUrl: string;
  readonly s3: S3Access;
}

declare module 'vitest' {
  interface ProvidedContext {
    services: LiveServices;
  }
}

/**
 * Brings and starts Kafka, PostgreSQL and an S3 server on free ports in a temporary directory, once
 * for all live tests; the returned function stops them and removes the directory. Should this
 * process be killed, the kernel stops them.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  bring();
  const { toolsDir } = loadConfig(process.env);
  removeDeadRuns();
  const dir = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const [port = 0, controllerPort = 0, postgresPort = 0, s3Port = 0] = await freePorts(4);
  const launch = { dieWithParent: true };
  const kafka = startKafka({ dir: join(dir, 'kafka'), port, controllerPort, toolsDir }, launch);
  const postgres = startPostgres({ dir: join(dir, 'postgres'), port: postgresPort }, launch);
  const s3 = startS3({ dir: join(dir, 's3'), port: s3Port, toolsDir }, launch);
  const servers: RunningServer[] = [kafka, postgres, s3];
  const teardown = async () => {
    await Promise.all(servers.map((server) => server.stop()));
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await Promise.all(servers.map((server) => server.ready));
  } catch (error) {
    await teardown();
    throw error;
  }
  project.provide('services', { kafka: kafka.brokers, postgresUrl: postgres.url, s3: s3.access });
  return teardown;
}

// === Helpers ===

/** The pid of its run follows in the name of each directory. */
const PREFIX = 'tidemark-live-';

/** A run that was killed could not remove its directory. */
function removeDeadRuns(): void {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const pid = Number.parseInt(name.slice(PREFIX.length), 10);
    if (pid > 0 && !existsSync(`/proc/${pid}`))
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function bring(): void {
  const script = join(import.meta.dirname, '..', '..', 'infra', 'stack', 'bring.sh');
  const done = spawnSync('sh', [script, 'kafka', 's3', 'xgboost'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (done.status !== 0) throw new Error('the services of the live tests could not be brought; see above');
}
