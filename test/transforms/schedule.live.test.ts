import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { systemClock } from '../../infra/core/clock.ts';
import { freePorts } from '../../infra/stack/freePorts.ts';
import { startPostgres } from '../../infra/stack/postgresServer.ts';
import { runSchedule, type ScheduledTask } from '../../transforms/schedule.ts';
import { silentLog } from '../support/tempLake.ts';

const EVERY_MS = 400;
const WAIT = { timeout: 60_000, interval: 100 };

let dir = '';

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tidemark-schedule-'));
});

afterAll(() => rm(dir, { recursive: true, force: true }));

/** A task that counts, and how often two of it ran at once. */
function countingTask(
  lasts = { everyMs: EVERY_MS, runMs: 50 },
): ScheduledTask & { runs: number; overlaps: number } {
  let active = 0;
  const task = {
    name: 'count',
    everyMs: lasts.everyMs,
    runs: 0,
    overlaps: 0,
    run: async () => {
      active += 1;
      if (active > 1) task.overlaps += 1;
      await systemClock.sleep(lasts.runMs);
      task.runs += 1;
      active -= 1;
    },
  };
  return task;
}

function start(postgresUrl: string, tasks: readonly ScheduledTask[], schema: string) {
  const controller = new AbortController();
  const done = runSchedule(
    { postgresUrl, tasks, clock: systemClock, log: silentLog, schema },
    { signal: controller.signal },
  );
  return {
    async [Symbol.asyncDispose]() {
      controller.abort();
      await done;
    },
  };
}

test('a task runs again and again, and once at a time over two processes', async () => {
  const task = countingTask();
  const { postgresUrl } = inject('services');
  const schema = `schedule_${process.pid}`;
  {
    await using _one = start(postgresUrl, [task], schema);
    await using _two = start(postgresUrl, [task], schema);
    await vi.waitFor(() => expect(task.runs).toBeGreaterThanOrEqual(4), WAIT);
  }
  expect(task.overlaps).toBe(0);
});

test('a task that takes longer than its interval runs once at a time over two processes', async () => {
  const task = countingTask({ everyMs: 200, runMs: 900 });
  const { postgresUrl } = inject('services');
  const schema = `slow_${process.pid}`;
  {
    await using _one = start(postgresUrl, [task], schema);
    await using _two = start(postgresUrl, [task], schema);
    await vi.waitFor(() => expect(task.runs).toBeGreaterThanOrEqual(4), WAIT);
  }
  expect(task.overlaps).toBe(0);
});

test('a changed interval replaces the schedule', async () => {
  const { postgresUrl } = inject('services');
  const schema = `interval_${process.pid}`;
  const often = countingTask({ everyMs: 100, runMs: 1 });
  {
    await using _ = start(postgresUrl, [often], schema);
    await vi.waitFor(() => expect(often.runs).toBeGreaterThanOrEqual(3), WAIT);
  }
  const seldom = countingTask({ everyMs: 2_000, runMs: 1 });
  {
    await using _ = start(postgresUrl, [seldom], schema);
    await vi.waitFor(() => expect(seldom.runs).toBeGreaterThanOrEqual(1), WAIT);
    const before = seldom.runs;
    await systemClock.sleep(3_000);
    expect(seldom.runs - before).toBeLessThanOrEqual(2);
  }
});

test('a task that fails is tried again', async () => {
  let tries = 0;
  const run = async () => {
    tries += 1;
    if (tries < 3) throw new Error('not yet');
  };
  await using _ = start(
    inject('services').postgresUrl,
    [{ name: 'failing', everyMs: 3_600_000, run }],
    `failing_${process.pid}`,
  );
  await vi.waitFor(() => expect(tries).toBe(3), WAIT);
});

test('PostgreSQL away at the start, then killed and back: the schedule goes on by itself', async () => {
  const [port = 0] = await freePorts(1);
  const options = { dir: join(dir, 'postgres'), port };
  const url = `postgres://tidemark:tidemark@127.0.0.1:${port}/tidemark`;
  const task = countingTask();
  await using _ = start(url, [task], 'away');
  const first = startPostgres(options, { dieWithParent: true });
  await first.ready;
  await vi.waitFor(() => expect(task.runs).toBeGreaterThanOrEqual(2), WAIT);
  await first.kill();

  const before = task.runs;
  const second = startPostgres(options, { dieWithParent: true });
  await second.ready;
  try {
    await vi.waitFor(() => expect(task.runs).toBeGreaterThan(before + 2), WAIT);
    expect(task.overlaps).toBe(0);
  } finally {
    await second.stop();
  }
});

test('stopping does not wait for a PostgreSQL that is away', async () => {
  const [port = 0] = await freePorts(1);
  const options = { dir: join(dir, 'stopping'), port };
  const server = startPostgres(options, { dieWithParent: true });
  await server.ready;
  const task = countingTask();
  const schedule = start(server.url, [task], 'stopping');
  await vi.waitFor(() => expect(task.runs).toBeGreaterThanOrEqual(1), WAIT);
  await server.kill();
  await schedule[Symbol.asyncDispose]();
});
