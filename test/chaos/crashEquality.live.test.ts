import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { systemClock } from '../../infra/core/clock.ts';
import { loadConfig } from '../../infra/core/config.ts';
import { connectProducer, ensureTopics } from '../../infra/core/kafka.ts';
import { openLake } from '../../infra/lake.ts';
import { openTransforms } from '../../infra/transforms.ts';
import { topicSpecs } from '../../ingestion/landing.ts';
import { DOMAINS } from '../../ingestion/simulator/domains.ts';
import { liveLabelDelay } from '../../ingestion/simulator/labelling.ts';
import { createLiveStream } from '../../ingestion/simulator/liveStream.ts';
import { Rng } from '../../ingestion/simulator/prng.ts';
import { runSimulation } from '../../ingestion/simulator/simulation.ts';
import { createWorld } from '../../ingestion/simulator/world.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { scan } from '../../lakehouse/scan.ts';
import { openTable } from '../../lakehouse/table.ts';
import { runModels } from '../../transforms/run.ts';
import { type Child, type Ending, startChild } from '../support/childProcess.ts';
import { lakeHashes } from '../support/lakeHashes.ts';
import { landingLag } from '../support/landingLag.ts';
import { silentLog } from '../support/tempLake.ts';
import { contentOf } from '../support/testContent.ts';
import { verifyContent } from '../support/verifyContent.ts';
import { type Death, INGEST_POINTS, JOBS_POINTS, planKills } from './killPlan.ts';

/**
 * Landing and transforms are killed again and again while traffic flows. Afterwards `verify` is clean
 * and every table equals, row by row, that of a second lake which the same topics filled undisturbed.
 */
const seed = Number(process.env['TIDEMARK_CHAOS_SEED'] ?? Date.now() % 1_000_000);
const RATE_PER_MINUTE = 18_000;
const services = inject('services');
const spec = `payments:chaos${seed}.`;
const content = contentOf(spec);
const brokers = [services.kafka];

let home = '';
const deaths: { victim: string; how: string; lag: number }[] = [];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tidemark-chaos-'));
  console.log(`chaos seed ${seed} (TIDEMARK_CHAOS_SEED repeats it)`);
  await ensureTopics(brokers, content.contracts.flatMap(topicSpecs));
});

afterAll(async () => {
  await rm(home, { recursive: true, force: true });
});

describe('processes that are killed at any instruction', () => {
  test('die at every numbered point and at random while records wait', async () => {
    const traffic = new AbortController();
    const simulation = simulate(traffic.signal);
    await using lake = await openLakeOf('killed');
    const rng = new Rng('chaos', seed);
    try {
      // One of the two is killed while the other goes on: what waits is seen to be worked off.
      await beside('transforms', () => killAgainAndAgain('ingest', planKills(INGEST_POINTS, 5, rng), lake));
      await beside('ingest', () => killAgainAndAgain('transforms', planKills(JOBS_POINTS, 3, rng), lake));
    } finally {
      // A failure here must not keep records coming: the tests below wait for the last one.
      traffic.abort();
    }
    const report = await simulation;
    expect(report.errors).toBe(0);

    expect(deaths.length).toBeGreaterThanOrEqual(20);
    const hit = new Set(deaths.map(({ victim, how }) => `${victim} ${how.split(':')[0]}`));
    for (const point of INGEST_POINTS) expect(hit).toContain(`ingest ${point}`);
    for (const point of JOBS_POINTS) expect(hit).toContain(`transforms ${point}`);
    expect(deaths.filter(({ lag }) => lag <= 0)).toEqual([]);
  }, 420_000);

  test('lose and double nothing: verify is clean', async () => {
    await landEverything('killed');
    await using lake = await openLakeOf('killed');
    await runModels(await openTransforms(lake, content, silentLog));
    const report = await verifyContent(lake, content, brokers);
    expect(report.violations).toEqual([]);
    expect(report.isClean).toBe(true);
    expect(report.releases.checked).toBeGreaterThan(3);
  });

  test('leave the same rows as a run without faults', async () => {
    await landEverything('calm');
    await using killed = await openLakeOf('killed');
    await using calm = await openLakeOf('calm');
    await runModels(await openTransforms(calm, content, silentLog));
    const [left, right] = [await lakeHashes(killed), await lakeHashes(calm)];
    expect(Object.keys(right).length).toBeGreaterThanOrEqual(9);
    expect(left).toEqual(right);
  });

  test('would be found out by one changed row', async () => {
    await using calm = await openLakeOf('calm');
    const before = await lakeHashes(calm);
    await changeOneRow(calm, 'gold.hourly_metrics', 'tx_count');
    const after = await lakeHashes(calm);
    expect(after['gold.hourly_metrics']).not.toBe(before['gold.hourly_metrics']);
    expect({ ...after, 'gold.hourly_metrics': '' }).toEqual({ ...before, 'gold.hourly_metrics': '' });
  });
});

function envOf(lakeName: string): Record<string, string> {
  return {
    TIDEMARK_HOME: join(home, lakeName),
    TIDEMARK_KAFKA: services.kafka,
    TIDEMARK_GROUP: `chaos-${seed}-${lakeName}`,
    TIDEMARK_FLUSH_INTERVAL: '700ms',
    TIDEMARK_TEST_CONTENT: spec,
  };
}

async function openLakeOf(lakeName: string): Promise<Lake & AsyncDisposable> {
  return await openLake(loadConfig(envOf(lakeName)), { log: silentLog });
}

async function simulate(signal: AbortSignal) {
  await using producer = await connectProducer({ brokers, clientId: 'chaos', log: silentLog });
  const prefix = spec.slice('payments:'.length);
  const startMs = Date.now();
  const stream = createLiveStream({
    world: createWorld({ seed, actorsPerDomain: 200 }),
    domains: DOMAINS,
    ratePerMinute: RATE_PER_MINUTE,
    startMs,
    fraudRate: 0.05,
    labelDelay: liveLabelDelay(5_000),
    irregularities: { late: 0.05, duplicates: 0.02, bad: 0.02, unknownFields: 0.01 },
  });
  return await runSimulation(
    { stream, ratePerMinute: RATE_PER_MINUTE, startMs, labels: true },
    {
      producer: { send: (topic, records) => producer.send(`${prefix}${topic}`, records) },
      clock: systemClock,
      monotonicMs: () => performance.now(),
      log: silentLog,
    },
    { signal },
  );
}

/** Runs `work` while another process of ours does its own; that one must stop cleanly afterwards. */
async function beside(companion: string, work: () => Promise<void>): Promise<void> {
  const child = startChild(companion, envOf('killed'));
  try {
    await work();
  } finally {
    child.kill('SIGTERM');
  }
  const ending = await child.ended;
  expect(ending.code, `${companion}: ${ending.stderr.slice(-3_000)}`).toBe(0);
}

/** One life after the other; each ends as planned, and the records that wait then are counted. */
async function killAgainAndAgain(victim: string, plan: readonly Death[], lake: Lake): Promise<void> {
  for (const death of plan) {
    const env = envOf('killed');
    if (death.kind === 'point') env['TIDEMARK_CRASH_AT'] = death.spec;
    const child = startChild(victim, env);
    if (death.kind === 'random') await killWithLag(child, death.afterMs, lake);
    const ending = await child.ended;
    expectKilled(victim, ending);
    const how = ending.point ?? `random:${death.kind === 'random' ? death.afterMs : 0}ms`;
    const lag = await landingLag(lake, content, brokers);
    deaths.push({ victim, how, lag });
    console.log(`killed ${victim} at ${how} with ${lag} records waiting`);
  }
}

async function killWithLag(child: Child, afterMs: number, lake: Lake): Promise<void> {
  await wait(afterMs);
  await expect.poll(() => landingLag(lake, content, brokers), { timeout: 30_000 }).toBeGreaterThan(0);
  child.kill('SIGKILL');
}

function expectKilled(victim: string, { signal, code, stderr }: Ending): void {
  if (signal !== 'SIGKILL')
    throw new Error(`${victim} ended by itself with ${code}:\n${stderr.slice(-3_000)}`);
}

/** An undisturbed ingest process until nothing waits; it must then stop cleanly. */
async function landEverything(lakeName: string): Promise<void> {
  const child = startChild('ingest', envOf(lakeName));
  try {
    await using lake = await openLakeOf(lakeName);
    await expect.poll(() => landingLag(lake, content, brokers), { timeout: 120_000, interval: 500 }).toBe(0);
  } finally {
    child.kill('SIGTERM');
  }
  const ending = await child.ended;
  expect(ending.code, ending.stderr).toBe(0);
}

/** One number of one row is raised by one, as a bug would. */
async function changeOneRow(lake: Lake, name: string, column: string): Promise<void> {
  const table = await openTable(lake, name);
  if (table === undefined) throw new Error(`no table ${name}`);
  const base = await table.snapshot();
  const [file] = base.files.values();
  if (file === undefined) throw new Error(`${name} is empty`);
  await using session = await lake.duckdb.connect();
  await using rows = await scan(lake, base, { files: [file] });
  const adds = await table.stage({
    session,
    select: `select * replace (${column} + (row_number() over () = 1)::int as ${column}) from ${rows.sql}`,
    partitionValues: file.partitionValues,
  });
  const result = await table.commit({ operation: 'TEST', base, adds, removes: [file], reads: 'table' });
  expect(result.kind).toBe('committed');
}
