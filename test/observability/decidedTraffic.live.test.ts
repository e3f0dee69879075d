import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { openFeatures } from '../../infra/features.ts';
import { featureSettings, openGrid } from '../../infra/grid.ts';
import { liveLabelDelay } from '../../ingestion/simulator/labelling.ts';
import { createLiveStream, type LiveStream } from '../../ingestion/simulator/liveStream.ts';
import { createWorld } from '../../ingestion/simulator/world.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { scan } from '../../lakehouse/scan.ts';
import { openTable } from '../../lakehouse/table.ts';
import { explainDecision } from '../../observability/explainDecision.ts';
import { explainLines } from '../../observability/explainReport.ts';
import { liveFeatures } from '../../observability/featureLive.ts';
import { compareFeatures } from '../../observability/featureParity.ts';
import {
  decisionsOf,
  openScoredWorld,
  type ScoredWorld,
  startProcess,
  stopCleanly,
  undecided,
} from '../chaos/scoredWorld.ts';
import { verifyContent } from '../support/verifyContent.ts';

/** What landing and a scorer that is killed made of traffic, proven from the outside. */

/** So that gold values are complete within seconds. */
const GRID = {
  TIDEMARK_GRID: '1s',
  TIDEMARK_GRID_DELAY: '1s',
  TIDEMARK_GRID_WAIT: '2s',
  TIDEMARK_GRID_GRACE: '1s',
};
const LAKE = 'proven';
const BURSTS = 14;
const WITHIN = { timeout: 90_000, interval: 500 };

let world: ScoredWorld;
let lake: Lake & AsyncDisposable;
beforeAll(async () => {
  world = await openScoredWorld('proven');
  lake = await world.lake(LAKE);
  const env = world.env(LAKE, GRID);
  await using ingest = startProcess('ingest', env);
  const stream = createLiveStream({
    world: createWorld({ seed: 5, actorsPerDomain: 100 }),
    domains: ['gaming', 'fintech'],
    ratePerMinute: 60_000,
    startMs: Date.now() - 20_000,
    fraudRate: 0.05,
    labelDelay: liveLabelDelay(5_000),
    irregularities: { late: 0.05, duplicates: 0.02, bad: 0.02, unknownFields: 0.01 },
  });
  // History of before the first scorer: it is remembered, and never decided.
  await world.send(stream, 1_000);
  await vi.waitFor(async () => expect(await landed()).toBeGreaterThan(900), {
    timeout: 60_000,
    interval: 200,
  });
  const grid = await openGrid(lake, world.content(), loadConfig(env));
  let { closedToMs } = await grid();
  for (const life of [1, 2]) {
    await using score = startProcess('score', env);
    for (let burst = 0; burst < BURSTS / 2; burst += 1) {
      follow(stream, closedToMs);
      await world.send(stream, 1_000);
      ({ closedToMs } = await grid());
    }
    // The first life ends wherever it is.
    if (life === 1) score.kill('SIGKILL');
    else {
      await vi.waitFor(async () => expect(await undecided(world, lake)).toBe(0), WITHIN);
      await stopCleanly(score);
    }
  }
  await stopCleanly(ingest);
}, 240_000);
afterAll(async () => {
  await lake[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

it('verify finds every record from the starts on decided, and nothing else', async () => {
  const report = await verifyContent(lake, world.content(), world.brokers);
  expect(report.violations).toEqual([]);
  const partitions = report.decisions?.partitions ?? [];
  const sum = (of: (one: (typeof partitions)[number]) => number) =>
    partitions.reduce((n, one) => n + of(one), 0);
  expect(sum((one) => one.start)).toBeGreaterThan(900);
  expect(sum((one) => one.position)).toBe((BURSTS + 1) * 1_000);
  expect(sum((one) => one.to - one.from)).toBe(sum((one) => one.position - one.start));
  expect(sum((one) => one.lag)).toBe(0);
});

it('parity finds no difference in what was complete, gold values included', async () => {
  const report = await compareFeatures(lake, { ...(await features()), last: 50_000, oneKeyIn: 1 });
  const counts = report.sources.flatMap((source) => source.features);
  expect(report.examples).toEqual([]);
  expect(report.isEqual).toBe(true);
  expect(report.sampled).toBeGreaterThan(10_000);
  const gold = counts.filter(({ name }) => name === 'cnt_user_7d');
  expect(gold.reduce((sum, { equal }) => sum + equal, 0)).toBeGreaterThan(1_000);
});

it('a decision is explained, and features are seen on live traffic', async () => {
  const { sources, decisions, sets } = await features();
  const lives = await liveFeatures(lake, { sources, decisions, last: 50_000 });
  expect(lives.get('amt_log')?.reduce((sum, { vectors }) => sum + vectors, 0)).toBeGreaterThan(500);
  const present = lives.get('cnt_user_7d')?.reduce((sum, { statuses }) => sum + (statuses.PRESENT ?? 0), 0);
  expect(present).toBeGreaterThan(500);
  const { contracts } = world.content();
  const tables = { decisions, sources: new Map(contracts.map(({ topic, table }) => [topic, table])) };
  const found = await explainDecision({ lake, tables, sets }, await someDecision(decisions));
  expect(found.vector?.features?.length).toBeGreaterThan(30);
  expect(explainLines(found).join('\n')).toMatch(/because {5}(NO_MODEL|TOO_LATE|GOLD_MISSING|NOT_HELD)/);
});

// === Helpers ===

/** Leaves out what gold values are ahead of, so that the next second of events is served by what is closed. */
function follow(stream: LiveStream, closedToMs = 0): void {
  while (stream.next().timestampMs < closedToMs - 1_000);
}

async function features() {
  const content = world.content();
  const sets = await openFeatures(content, featureSettings(loadConfig(world.env(LAKE, GRID))));
  const sources = sets.flatMap((set) =>
    content.contracts.filter(({ table }) => table === set.source.table).map(({ topic }) => ({ set, topic })),
  );
  return { sets, sources, decisions: decisionsOf(content).table };
}

async function landed(): Promise<number> {
  let rows = 0;
  for (const { source } of (await features()).sets) {
    const table = await openTable(lake, source.table);
    for (const [appId, next] of (await table?.snapshot())?.txns ?? [])
      if (appId.startsWith('land:')) rows += next;
  }
  return rows;
}

async function someDecision(table: string): Promise<string> {
  const opened = await openTable(lake, table);
  await using rows = await scan(lake, await opened!.snapshot());
  await using session = await lake.duckdb.connect();
  const [row] = await session.rows(
    `select decision_id from ${rows.sql} where vector is not null order by decided_at desc limit 1`,
  );
  return String(row?.['decision_id']);
}
