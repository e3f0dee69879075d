import { classifyError } from '../infra/core/errors.ts';
import type { TopicState } from '../infra/core/kafka.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { type LakeTable, listTables, openTable } from '../lakehouse/table.ts';
import { reportTable, type TableReport } from '../lakehouse/tableReport.ts';
import {
  type LandingStatus,
  type LandingView,
  landingStatus,
  newestArrival,
  waitingOffsets,
} from './landingStatus.ts';
import {
  lastRuns,
  lastVerify,
  type ReleaseStatus,
  type RunStatus,
  releaseStatus,
  type VerifyStatus,
} from './runStatus.ts';

/** One process of the stack, as its supervisor says. */
export interface ProcessView {
  readonly name: string;
  readonly status: string;
  /** Since when it has this status, ISO. */
  readonly since: string;
  readonly problem: string | null;
}

export interface StatusDeps {
  readonly lake: Lake;
  readonly cluster: string;
  readonly topics: readonly { readonly topic: string; readonly table: string }[];
  readonly stack: { readonly status: 'up' | 'degraded' | 'down'; readonly processes: readonly ProcessView[] };
  /** Asked anew; undefined when it answers, else why it does not. */
  readonly probes: Readonly<Record<'kafka' | 'postgres', () => Promise<string | undefined>>>;
  topicStates(topics: readonly string[]): Promise<readonly TopicState[]>;
  /** Arrival of one record, in milliseconds; undefined when it can't be told. */
  arrivalMs(topic: string, place: { partition: number; offset: number }): Promise<number | undefined>;
}

export interface ServiceStatus {
  readonly name: string;
  readonly ok: boolean;
  /** What the probe or the store answered; null when all is well. */
  readonly problem: string | null;
  /** Since when, as far as the supervisor knows. */
  readonly since: string | null;
}

/** All that `status` tells; keys are part of the JSON output. */
export interface StatusReport {
  readonly ok: boolean;
  /** What needs attention, in words. */
  readonly problems: readonly string[];
  readonly services: readonly ServiceStatus[];
  readonly landing: readonly LandingStatus[];
  readonly tables: readonly TableReport[];
  readonly release: ReleaseStatus | null;
  readonly runs: readonly RunStatus[];
  readonly verify: VerifyStatus | null;
}

/** A record that waits longer than this needs attention, in seconds. */
const LAG_ATTENTION_SECONDS = 120;
/** Below this the arrival of the newest landed record is good enough as an estimate, in milliseconds. */
const LAG_ESTIMATE_MS = 60_000;
/** The longest time that one part of the report may take, in milliseconds. */
const PART_MS = 15_000;
const RUNS_SHOWN = 5;

/** Asks everything that is there; what does not answer is part of the answer. */
export async function gatherStatus(deps: StatusDeps): Promise<StatusReport> {
  const { lake } = deps;
  const [kafka, postgres] = await Promise.all([service(deps, 'kafka'), service(deps, 'postgres')]);
  const tables = await part(() => openAll(lake));
  const isLakeThere = tables.error === undefined;
  const storage: ServiceStatus = {
    name: 'lake',
    ok: isLakeThere,
    problem: tables.error ?? null,
    since: null,
  };
  const opened = tables.value ?? new Map<string, LakeTable>();
  const states = kafka.ok
    ? await part(() => deps.topicStates(deps.topics.map(({ topic }) => topic)))
    : { value: [] };
  const landing = await Promise.all(
    deps.topics.map((place) => landingOf(deps, { ...place, opened, states: states.value })),
  );
  const reports = [...opened.values()].map((table) => reportTable(table, lake.clock.nowMs()));
  const release = isLakeThere ? await part(() => releaseStatus(lake)) : {};
  const runs = isLakeThere ? await part(() => lastRuns(lake, RUNS_SHOWN)) : {};
  const verify = isLakeThere ? await part(() => lastVerify(lake)) : {};
  const found = {
    services: [kafka, postgres, storage, ...ownProcesses(deps)],
    landing,
    tables: await Promise.all(reports),
    release: release.value ?? null,
    runs: runs.value ?? [],
    verify: verify.value ?? null,
  };
  const unread = [states, release, runs, verify].flatMap(({ error }) => error ?? []);
  const problems = [...problemsOf(found), ...unread];
  return { ok: problems.length === 0, problems, ...found };
}

/** What in a report needs attention. Pure. */
export function problemsOf(found: Omit<StatusReport, 'ok' | 'problems'>): string[] {
  const { services, landing, release, runs, verify } = found;
  const down = services
    .filter(({ ok }) => !ok)
    .map(({ name, problem, since }) => `${name}: ${problem}${since === null ? '' : ` (since ${since})`}`);
  const stuck = landing.flatMap(({ topic, problem, lag_seconds, lag_records }) => {
    if (problem !== null) return [`${topic}: ${problem}`];
    if ((lag_seconds ?? 0) <= LAG_ATTENTION_SECONDS) return [];
    return [`${topic}: ${lag_records} records wait, the oldest for ${lag_seconds} s`];
  });
  const stale = Object.entries(release?.stale_since ?? {}).map(
    ([name, since]) => `${name}: newest data held back since ${since}; see ops.runs`,
  );
  const [newest] = runs;
  const failed = newest !== undefined && (newest.outcome === 'failed' || newest.held > 0);
  return [
    ...down,
    ...stuck,
    ...stale,
    ...(failed ? [`last run ${newest.outcome}: ${newest.error ?? `${newest.held} models held back`}`] : []),
    ...(verify !== null && verify.violations > 0
      ? [`verify found ${verify.violations} violations at ${verify.verified_at}; run ./tidemark verify`]
      : []),
  ];
}

// === Helpers ===

/** A part of the report, or why it could not be had: the rest is shown all the same. */
async function part<T>(ask: () => Promise<T>): Promise<{ value?: T; error?: string }> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${PART_MS / 1_000} s`)), PART_MS);
  try {
    return { value: await Promise.race([ask(), late.promise]) };
  } catch (error) {
    const { code, message } = classifyError(error);
    return { error: code === 'INTERNAL' ? message : `${code}: ${message}` };
  } finally {
    clearTimeout(timer);
  }
}

async function service({ probes, stack }: StatusDeps, name: 'kafka' | 'postgres'): Promise<ServiceStatus> {
  const problem = await probes[name]();
  if (problem === undefined) return { name, ok: true, problem: null, since: null };
  const process = stack.processes.find((p) => p.name === name);
  const told =
    process === undefined ? problem : `${process.problem ?? problem}; its process is ${process.status}`;
  return { name, ok: false, problem: told, since: process?.since ?? null };
}

/** Processes of ours: Kafka and PostgreSQL are probed instead. */
function ownProcesses({ stack, probes }: StatusDeps): ServiceStatus[] {
  if (stack.status === 'down') {
    return [
      { name: 'supervisor', ok: false, problem: "not running; start the stack with 'make up'", since: null },
    ];
  }
  return stack.processes
    .filter(({ name }) => !(name in probes))
    .map(({ name, status, since, problem }) => {
      const ok = status === 'running';
      return { name, ok, problem: ok ? null : `${status}${problem === null ? '' : `: ${problem}`}`, since };
    });
}

async function openAll(lake: Lake): Promise<Map<string, LakeTable>> {
  const opened = new Map<string, LakeTable>();
  for (const name of await listTables(lake)) {
    const table = await openTable(lake, name);
    if (table !== undefined) opened.set(name, table);
  }
  return opened;
}

async function landingOf(
  deps: StatusDeps,
  place: {
    topic: string;
    table: string;
    opened: ReadonlyMap<string, LakeTable>;
    states: readonly TopicState[] | undefined;
  },
): Promise<LandingStatus> {
  const { topic, table, opened, states } = place;
  const found = opened.get(table);
  const view: LandingView = {
    topic,
    table,
    cluster: deps.cluster,
    landed: found === undefined ? undefined : { tableId: found.id, snapshot: await found.snapshot() },
    state: states?.find((state) => state.topic === topic),
    isKafkaThere: states !== undefined && states.length > 0,
  };
  const nowMs = deps.lake.clock.nowMs();
  return landingStatus(view, { nowMs, oldestMs: await oldestWaitingMs(deps, view, nowMs) });
}

/**
 * When the oldest waiting record arrived. Everything that landed is older than what waits, so when the
 * newest landed record is young that is bound enough; else the first one that waits is read, of one
 * partition: an age, not the exact maximum.
 */
async function oldestWaitingMs(
  deps: StatusDeps,
  view: LandingView,
  nowMs: number,
): Promise<number | undefined> {
  const waiting = waitingOffsets(view);
  if (waiting.length === 0) return undefined;
  const landed = view.landed === undefined ? undefined : newestArrival(view.landed.snapshot.files.values());
  if (landed !== undefined && nowMs - Date.parse(landed) < LAG_ESTIMATE_MS) return Date.parse(landed);
  const [first] = waiting;
  if (first === undefined) return undefined;
  return (await part(() => deps.arrivalMs(view.topic, first))).value;
}
