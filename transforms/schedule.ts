import { createPostgresBackend, type Job, withBackend } from 'bullmq';
import type { Clock, Logger } from '../infra/core/ports.ts';
import { keepClosingClientsQuiet } from '../infra/core/postgres.ts';
import { jitteredBackoff } from '../infra/core/retry.ts';

/** Work that is done again and again; it must be idempotent, since a killed run is repeated. */
export interface ScheduledTask {
  /** Stable: the schedule of this name is replaced at each start. */
  readonly name: string;
  readonly everyMs: number;
  run(signal: AbortSignal): Promise<void>;
}

export interface ScheduleDeps {
  readonly postgresUrl: string;
  readonly tasks: readonly ScheduledTask[];
  readonly clock: Clock;
  readonly log: Logger;
  /** PostgreSQL schema and queue, so that several schedules may share a server. */
  readonly schema?: string;
}

const { Queue, Worker } = withBackend(createPostgresBackend);

const DEFAULT_SCHEMA = 'tidemark_jobs';
const RECONNECT = { initialMs: 500, maxDelayMs: 5_000, totalTimeoutMs: Number.POSITIVE_INFINITY };
/** A killed worker's job is taken up again after at most lock and check, not after BullMQ's 30 s. */
const LOCK_MS = 10_000;
const STALLED_CHECK_MS = 5_000;
/** Tasks are idempotent, so a job that stalls is repeated, not failed. */
const MAX_STALLED = 1_000;
/** How often PostgreSQL is asked whether it is still there. */
const PING_MS = 2_000;

/**
 * Runs each task every `everyMs`, one task of a name at a time over all processes, with retries,
 * until the signal aborts. The schedule lives in PostgreSQL; while that is away the process lives
 * on without a schedule, and resumes by itself.
 */
export async function runSchedule(deps: ScheduleDeps, options: { signal: AbortSignal }): Promise<void> {
  const { clock, log } = deps;
  const { signal } = options;
  keepClosingClientsQuiet();
  const serial = { ...deps, tasks: deps.tasks.map(oneAtATime) };
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const lost = await runUntilLost(serial, signal);
    if (signal.aborted) return;
    if (lost.wasConnected) attempt = 0;
    // Once an outage: its end is logged by the schedule that runs again.
    if (attempt === 0) log.warn({ err: lost.reason }, 'no schedule: PostgreSQL is away; trying again');
    await clock.sleep(jitteredBackoff(attempt, RECONNECT), signal).catch(() => undefined);
  }
}

// === Helpers ===

/**
 * A connection that is lost leaves its job running; the job of the next connection waits for it, so
 * that a process does not do the same work twice at once.
 */
function oneAtATime(task: ScheduledTask): ScheduledTask {
  let previous: Promise<unknown> = Promise.resolve();
  return {
    ...task,
    run: (signal) => {
      const run = previous.then(() => task.run(signal));
      previous = run.catch(() => undefined);
      return run;
    },
  };
}

interface Lost {
  readonly wasConnected: boolean;
  readonly reason: unknown;
}

/** One connection's life: returns when PostgreSQL cannot be reached any more, or on abort. */
async function runUntilLost(deps: ScheduleDeps, signal: AbortSignal): Promise<Lost> {
  let wasConnected = false;
  const lost = Promise.withResolvers<unknown>();
  const onAbort = () => lost.resolve(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const lines = deps.tasks.map((task) => openLine(deps, { task, signal, onError: lost.resolve }));
  try {
    for (const line of lines) await Promise.race([line.start(), lost.promise.then(throwIt)]);
    wasConnected = true;
    deps.log.info({ tasks: deps.tasks.map((t) => t.name) }, 'schedule is running');
    return { wasConnected, reason: await lost.promise };
  } catch (reason) {
    return { wasConnected, reason };
  } finally {
    signal.removeEventListener('abort', onAbort);
    await Promise.all(lines.map((line) => line.close()));
  }
}

/** Queue, schedule and worker of one task. Every error of theirs ends the connection's life. */
function openLine(
  deps: ScheduleDeps,
  line: { task: ScheduledTask; signal: AbortSignal; onError: (error: unknown) => void },
) {
  const { task, signal, onError } = line;
  const connection = {
    connectionString: deps.postgresUrl,
    schema: deps.schema ?? DEFAULT_SCHEMA,
    migrate: true,
    connectionTimeoutMillis: 5_000,
  };
  const queue = new Queue(task.name, { connection });
  const worker = new Worker(task.name, (job: Job) => runJob(deps.log, task, { job, signal }), {
    connection,
    concurrency: 1,
    autorun: false,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    maxStalledCount: MAX_STALLED,
    removeOnComplete: { count: 100 },
    removeOnFail: { count: 100 },
  });
  queue.on('error', onError);
  worker.on('error', onError);
  const ping = setInterval(() => void queue.getJobSchedulersCount().catch(onError), PING_MS);
  return {
    start: async () => {
      // A worker's own limit does not count the workers of other processes.
      await queue.setGlobalConcurrency(1);
      await queue.upsertJobScheduler(task.name, { every: task.everyMs }, jobTemplate(task));
      worker.run().catch(onError);
    },
    close: async () => {
      clearInterval(ping);
      // The job in hand is finished first on SIGTERM; without PostgreSQL its result is lost, not its effect.
      await worker.close(!signal.aborted).catch((error) => deps.log.debug({ err: error }, 'worker closed'));
      await queue.close().catch((error) => deps.log.debug({ err: error }, 'queue closed'));
    },
  };
}

function jobTemplate(task: ScheduledTask) {
  return {
    name: task.name,
    opts: { attempts: 5, backoff: { type: 'exponential', delay: Math.min(task.everyMs, 1_000) } },
  };
}

async function runJob(
  log: Logger,
  task: ScheduledTask,
  context: { job: Job; signal: AbortSignal },
): Promise<void> {
  const { job, signal } = context;
  try {
    await task.run(signal);
  } catch (error) {
    if (signal.aborted) return;
    log.error({ task: task.name, attempt: job.attemptsMade + 1, err: error }, 'scheduled task failed');
    throw error;
  }
}

function throwIt(error: unknown): never {
  throw error;
}
