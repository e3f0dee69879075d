import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { freePorts } from '../../../infra/stack/freePorts.ts';
import { startPostgres } from '../../../infra/stack/postgresServer.ts';
import { findByWorkingDirectory } from '../../../infra/stack/processTable.ts';
import type { Decision } from '../../../scoring/decision.ts';
import { type Child, startChild } from '../../support/childProcess.ts';
import { contentOf } from '../../support/testContent.ts';
import {
  alertFacts,
  expectedAlerts,
  freshDatabase,
  mixture,
  openStore,
  seenOffsets,
  send,
} from './support.ts';

const PATIENCE = { timeout: 90_000, interval: 100 };
const POINTS = ['before-alerts-commit', 'after-alerts-commit'];

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tidemark-alerts-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

interface Room {
  readonly topic: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Everything that a process of alerts needs: a topic, a database, a consumer group of its own. */
function roomOf(postgresUrl: string): Room {
  const prefix = `alerts-${randomUUID()}.`;
  const spec = `payments:${prefix}`;
  const topic = contentOf(spec).contracts.find((one) => one.table === 'bronze.decisions')?.topic ?? '';
  const env = {
    TIDEMARK_HOME: dir,
    TIDEMARK_KAFKA: inject('services').kafka,
    TIDEMARK_POSTGRES_URL: postgresUrl,
    TIDEMARK_GROUP: prefix,
    TIDEMARK_TEST_CONTENT: spec,
  };
  return { topic, env };
}

test('killed at every numbered point and at random: no alert lost, none doubled', async () => {
  const url = await freshDatabase();
  const { topic, env } = roomOf(url);
  await using postgres = await openStore(url);
  const made: Decision[] = [];
  // The first process makes the topic.
  await stop(await started(env));
  for (let life = 0; life < 8; life += 1) {
    const point = `${POINTS[life % 2]}:${1 + (life % 3)}`;
    const child = startChild('alerts', life < 6 ? { ...env, TIDEMARK_CRASH_AT: point } : env);
    const isOver = trackEnd(child);
    // Records keep coming until the point is passed; the last lives end somewhere among them.
    for (let batch = 0; !isOver() && (life < 6 || batch < 40); batch += 1) {
      const from = made.length;
      made.push(...mixture(120, from));
      await send(topic, made.slice(from));
    }
    if (life >= 6) child.kill('SIGKILL');
    const ending = await child.ended;
    expect(ending.signal, ending.stderr).toBe('SIGKILL');
    if (life < 6) expect(ending.point).toBe(point);
  }
  const child = startChild('alerts', env);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(made.length);
  await stop(child);
  expect(await alertFacts(postgres)).toEqual(expectedAlerts(made));
}, 420_000);

test('a process that was stopped while another took over changes nothing when it goes on', async () => {
  const url = await freshDatabase();
  const { topic, env } = roomOf(url);
  await using postgres = await openStore(url);
  const zombie = await started(env);
  const made = mixture(900);
  await send(topic, made);
  zombie.kill('SIGSTOP');
  const heir = startChild('alerts', env);
  try {
    await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(900);
    zombie.kill('SIGCONT');
    made.push(...mixture(300, 900));
    await send(topic, made.slice(900));
    await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(1_200);
  } finally {
    zombie.kill('SIGCONT');
    await stop(zombie);
    await stop(heir);
  }
  expect(await alertFacts(postgres)).toEqual(expectedAlerts(made));
}, 240_000);

test('PostgreSQL away at the start, killed, stopped and back: alerts catch up, none lost or doubled', async () => {
  const [port = 0] = await freePorts(1);
  const options = { dir: join(dir, 'postgres'), port };
  const url = `postgres://tidemark:tidemark@127.0.0.1:${port}/tidemark`;
  const { topic, env } = roomOf(url);
  const child = startChild('alerts', env);
  const made: Decision[] = [];
  const sendMore = async (count: number) => {
    const from = made.length;
    made.push(...mixture(count, from));
    await send(topic, made.slice(from));
  };
  const first = startPostgres(options, { dieWithParent: true });
  await first.ready;
  await using postgres = await openStore(url);
  await expect.poll(() => child.output(), PATIENCE).toContain('making alerts from decisions');
  await sendMore(600);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(600);

  await first.kill();
  await sendMore(900);
  await expect.poll(() => child.output(), PATIENCE).toContain('POSTGRES_UNAVAILABLE');
  const second = startPostgres(options, { dieWithParent: true });
  await second.ready;
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(1_500);

  await second.stop();
  await sendMore(300);
  const third = startPostgres(options, { dieWithParent: true });
  await third.ready;
  try {
    await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(1_800);
    expect(await alertFacts(postgres)).toEqual(expectedAlerts(made));
  } finally {
    await third.kill();
  }
  // Without PostgreSQL it still stops when it is told to.
  await stop(child);
}, 420_000);

test('a PostgreSQL that hangs is an outage too, and does not hold a process that is told to stop', async () => {
  const [port = 0] = await freePorts(1);
  await using server = startPostgres({ dir: join(dir, 'hanging'), port }, { dieWithParent: true });
  await server.ready;
  const { topic, env } = roomOf(server.url);
  await using postgres = await openStore(server.url);
  const child = await started(env);
  const made = mixture(600);
  await send(topic, made.slice(0, 300));
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(300);
  // The server and its sessions, each of which is a process group of its own.
  const hang = (signal: NodeJS.Signals) => {
    for (const pid of findByWorkingDirectory(join(dir, 'hanging', 'data'))) process.kill(pid, signal);
  };
  hang('SIGSTOP');
  try {
    await send(topic, made.slice(300));
    await expect.poll(() => child.output(), PATIENCE).toContain('POSTGRES_UNAVAILABLE');
    hang('SIGCONT');
    await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(600);
    expect(await alertFacts(postgres)).toEqual(expectedAlerts(made));
    hang('SIGSTOP');
    await stop(child);
  } finally {
    hang('SIGCONT');
  }
}, 240_000);

async function started(env: Room['env']): Promise<Child> {
  const child = startChild('alerts', env);
  await expect.poll(() => child.output(), PATIENCE).toContain('making alerts from decisions');
  return child;
}

async function stop(child: Child): Promise<void> {
  child.kill('SIGTERM');
  const ending = await child.ended;
  expect(ending.code, ending.stderr).toBe(0);
}

function trackEnd(child: Child): () => boolean {
  let isOver = false;
  void child.ended.then(() => {
    isOver = true;
  });
  return () => isOver;
}
