import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { fault } from './errorCatalog.ts';

/**
 * The whole configuration, read once from the environment at the start of a process. Durations are
 * written `500ms`, `5s`, `2m`, `1h`; sizes `64MiB`.
 */
const schema = z.object({
  /** Where all state is; beside the sources unless set, wherever the command is run from. */
  TIDEMARK_HOME: z.string().default(join(import.meta.dirname, '..', '..', '.tidemark')),
  XDG_CACHE_HOME: z.string().optional(),
  TIDEMARK_LAKE: z.string().optional(),
  TIDEMARK_S3_ENDPOINT: z.url().optional(),
  TIDEMARK_S3_REGION: z.string().default('us-east-1'),
  AWS_ACCESS_KEY_ID: z.string().optional(),
  AWS_SECRET_ACCESS_KEY: z.string().optional(),
  TIDEMARK_CACHE_SIZE: size('2GiB'),

  TIDEMARK_KAFKA: z.string().optional(),
  TIDEMARK_KAFKA_PORT: port(9092),
  TIDEMARK_KAFKA_CONTROLLER_PORT: port(9093),
  TIDEMARK_CLUSTER: z
    .string()
    .regex(/^[\w.-]+$/)
    .default('main'),
  TIDEMARK_GROUP: z.string().default('tidemark-ingest'),

  TIDEMARK_POSTGRES_URL: z.url().optional(),
  TIDEMARK_POSTGRES_PORT: port(5433),

  TIDEMARK_FLUSH_INTERVAL: duration('5s'),
  TIDEMARK_FLUSH_SIZE: size('16MiB'),
  TIDEMARK_FLUSH_ROWS: z.coerce.number().int().positive().default(100_000),
  TIDEMARK_SCHEDULE: duration('60s'),
  TIDEMARK_COMPACTION_SCHEDULE: duration('10m'),
  TIDEMARK_ALERT_WINDOW: duration('1h').pipe(z.number().int().min(1_000)),
  TIDEMARK_TRAIN_SCHEDULE: duration('24h'),

  TIDEMARK_GRID: duration('1h').refine((ms) => ms > 0 && 86_400_000 % ms === 0, 'expected a part of a day'),
  TIDEMARK_GRID_DELAY: duration('5m'),
  TIDEMARK_GRID_WAIT: duration('4m'),
  TIDEMARK_GRID_KEEP: duration('3d'),
  TIDEMARK_GRID_GRACE: duration('15m'),
  TIDEMARK_GOLD_MAX_AGE: duration('6h'),
  TIDEMARK_SCORE_GROUP: z.string().default('tidemark-score'),
  TIDEMARK_SCORE_MAX_BATCH: z.coerce.number().int().min(1).max(10_000).default(256),
  TIDEMARK_SCORE_MAX_WAIT: duration('5ms'),
  TIDEMARK_SCORE_DEADLINE: duration('5s'),
  TIDEMARK_SCORE_QUEUE: size('4MiB'),
  TIDEMARK_SCORE_POLL: duration('2s'),

  TIDEMARK_DUCKDB_MEMORY: size('512MiB'),
  TIDEMARK_DUCKDB_THREADS: z.coerce.number().int().positive().default(1),
  TIDEMARK_DEMO: z.enum(['on', 'off']).default('on'),
  TIDEMARK_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  TIDEMARK_CRASH_AT: z
    .string()
    .regex(/^[\w-]+(:\d+)?$/)
    .optional(),
});

/** Parses `env`; all problems are listed at once. @throws CONFIG_INVALID */
export function loadConfig(env: NodeJS.ProcessEnv) {
  const parsed = schema.safeParse(env);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; ');
    throw fault('CONFIG_INVALID', { problems }, parsed.error);
  }
  const e = parsed.data;
  const homeDir = resolve(e.TIDEMARK_HOME);
  return Object.freeze({
    homeDir,
    /** What set-up brings once for all clones on this machine: the broker's jars, the S3 server. */
    toolsDir: resolve(e.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tidemark'),
    logLevel: e.TIDEMARK_LOG_LEVEL,
    crashAt: e.TIDEMARK_CRASH_AT,
    demo: e.TIDEMARK_DEMO === 'on',
    lake: {
      /** `s3://bucket/prefix` or the absolute path of a directory. */
      uri: lakeUri(e.TIDEMARK_LAKE, homeDir),
      s3: {
        endpoint: e.TIDEMARK_S3_ENDPOINT,
        region: e.TIDEMARK_S3_REGION,
        accessKeyId: e.AWS_ACCESS_KEY_ID,
        secretAccessKey: e.AWS_SECRET_ACCESS_KEY,
      },
      /** Local copies of S3 data files, and their bound. */
      cacheDir: resolve(homeDir, 'cache', 'objects'),
      cacheBytes: e.TIDEMARK_CACHE_SIZE,
    },
    kafka: {
      brokers: (e.TIDEMARK_KAFKA ?? `127.0.0.1:${e.TIDEMARK_KAFKA_PORT}`).split(','),
      /** True when the broker is somebody else's and `make up` starts none. */
      external: e.TIDEMARK_KAFKA !== undefined,
      port: e.TIDEMARK_KAFKA_PORT,
      controllerPort: e.TIDEMARK_KAFKA_CONTROLLER_PORT,
      /** Part of the landing identity: two clusters may have topics of one name. */
      cluster: e.TIDEMARK_CLUSTER,
      groupId: e.TIDEMARK_GROUP,
    },
    postgres: {
      url:
        e.TIDEMARK_POSTGRES_URL ??
        `postgres://tidemark:tidemark@127.0.0.1:${e.TIDEMARK_POSTGRES_PORT}/tidemark`,
      external: e.TIDEMARK_POSTGRES_URL !== undefined,
      port: e.TIDEMARK_POSTGRES_PORT,
    },
    flush: {
      intervalMs: e.TIDEMARK_FLUSH_INTERVAL,
      maxBytes: e.TIDEMARK_FLUSH_SIZE,
      maxRows: e.TIDEMARK_FLUSH_ROWS,
    },
    schedule: scheduleOf(e),
    grid: gridOf(e),
    score: scoreOf(e),
    /** Decisions about one key within a window are one alert. */
    alerts: { windowMs: e.TIDEMARK_ALERT_WINDOW },
    duckdb: { memoryBytes: e.TIDEMARK_DUCKDB_MEMORY, threads: e.TIDEMARK_DUCKDB_THREADS },
  });
}

export type Config = ReturnType<typeof loadConfig>;

/** Milliseconds of `500ms`, `5s`, `2m`, `1h`, `60d`; undefined when it is none. Pure. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 'ms'];
  return Number(match[1]) * unitMs;
}

// === Helpers ===

function scheduleOf(e: z.infer<typeof schema>) {
  return {
    transformsMs: e.TIDEMARK_SCHEDULE,
    compactionMs: e.TIDEMARK_COMPACTION_SCHEDULE,
    trainingMs: e.TIDEMARK_TRAIN_SCHEDULE,
  };
}

function gridOf(e: z.infer<typeof schema>) {
  return {
    /** How far apart the points are at which gold features are closed; also the length of tiles. */
    gridMs: e.TIDEMARK_GRID,
    /** A grid point is closed this much later, and landing is waited for at most `waitMs`. */
    delayMs: e.TIDEMARK_GRID_DELAY,
    waitMs: e.TIDEMARK_GRID_WAIT,
    /** How much of the past marts hold, at least. */
    keepMs: e.TIDEMARK_GRID_KEEP,
    /** An event is served by the newest grid point that is at least this much older. */
    graceMs: e.TIDEMARK_GRID_GRACE,
    /** Gold values older than this are missing. */
    goldMaxAgeMs: e.TIDEMARK_GOLD_MAX_AGE,
  };
}

function scoreOf(e: z.infer<typeof schema>) {
  return {
    groupId: e.TIDEMARK_SCORE_GROUP,
    maxBatch: e.TIDEMARK_SCORE_MAX_BATCH,
    maxWaitMs: e.TIDEMARK_SCORE_MAX_WAIT,
    deadlineMs: e.TIDEMARK_SCORE_DEADLINE,
    /** Bytes of records that wait for their decision; over it Kafka is not read. */
    queueBytes: e.TIDEMARK_SCORE_QUEUE,
    /** How often newer models and gold values are looked for. */
    pollMs: e.TIDEMARK_SCORE_POLL,
  };
}

function duration(fallback: string) {
  return z
    .string()
    .default(fallback)
    .transform((text, context) => {
      const ms = parseDuration(text);
      if (ms !== undefined) return ms;
      context.addIssue({ code: 'custom', message: `expected a duration such as 5s, got ${text}` });
      return z.NEVER;
    });
}

function size(fallback: string) {
  return z
    .string()
    .default(fallback)
    .transform((text, context) => {
      const match = /^(\d+)(KiB|MiB|GiB)$/.exec(text);
      const power = { KiB: 10, MiB: 20, GiB: 30 }[(match?.[2] ?? '') as 'KiB'];
      if (match !== null && power !== undefined) return Number(match[1]) * 2 ** power;
      context.addIssue({ code: 'custom', message: `expected a size such as 64MiB, got ${text}` });
      return z.NEVER;
    });
}

function port(fallback: number) {
  return z.coerce.number().int().min(1).max(65_535).default(fallback);
}

function lakeUri(lake: string | undefined, homeDir: string): string {
  if (lake === undefined) return resolve(homeDir, 'lake');
  return lake.startsWith('s3://') ? lake : resolve(lake);
}
