import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { paymentContent } from '../../infra/content.ts';
import { loadConfig } from '../../infra/core/config.ts';
import { createLogger } from '../../infra/core/logger.ts';
import { openFeatures } from '../../infra/features.ts';
import { openGrid } from '../../infra/grid.ts';
import { openLake } from '../../infra/lake.ts';
import { landFile } from '../../ingestion/landFile.ts';
import { DOMAINS } from '../../ingestion/simulator/domains.ts';
import { writeHistory } from '../../ingestion/simulator/history.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { goldEntitiesOf } from '../../transforms/featureSet.ts';
import { openGoldMarts } from '../../transforms/grid/goldMarts.ts';
import { createHeldRows } from '../../transforms/grid/heldRows.ts';

/**
 * What the grid costs: 60 days of history that were landed from files become tiles and marts in one step,
 * then a step an hour for a day without new records; loading the marts into memory; and a store of
 * `--actors` rows of 20 values, filled and read.
 */
const TARGET_SECONDS = 20;
const HOUR_MS = 3_600_000;
/** Events of an actor in 60 days, by measurement. */
const EVENTS_PER_ACTOR = 81;

const { values } = parseArgs({
  options: { events: { type: 'string', default: '204000' }, actors: { type: 'string', default: '1000000' } },
});
const [events, actors] = [Number(values.events), Number(values.actors)];

const root = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
try {
  console.log(`machine: ${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`);
  console.log(`command: node test/bench/grid.ts --events ${events} --actors ${actors}`);
  await benchmark();
  benchStore();
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function benchmark(): Promise<void> {
  const endMs = Date.UTC(2026, 2, 31, 12);
  const history = await writeHistory({
    seed: 42,
    days: 60,
    endMs,
    actors: Math.ceil(events / EVENTS_PER_ACTOR / DOMAINS.length),
    domains: DOMAINS,
    fraudRate: 0.02,
    dir: join(root, 'history'),
  });
  let nowMs = endMs + 10 * 60_000;
  const clock = { nowMs: () => nowMs, sleep: async () => {} };
  const config = loadConfig({ TIDEMARK_HOME: join(root, 'home'), TIDEMARK_KAFKA: '127.0.0.1:9' });
  const log = createLogger({ name: 'bench', level: 'error' });
  await using lake = await openLake(config, { log, clock });
  const deps = { lake, kafka: config.kafka, limits: config.flush, log };
  let landed = 0;
  for (const { topic, path } of history.files) {
    const contract = paymentContent.contracts.find((c) => c.topic === topic);
    if (contract !== undefined) landed += (await landFile(deps, { path, contract })).landed;
  }
  const run = await openGrid(lake, paymentContent, config);
  const first = await measured(() => run());
  console.log(`catching up over 60 days, ${landed} records (aim ≤ ${TARGET_SECONDS} s): ${first.cost}`);
  for (const { model, rows_written } of first.result.tables) console.log(`  ${model}: ${rows_written} rows`);
  await benchLoading(lake);
  const costs: number[] = [];
  for (let hour = 0; hour < 24; hour += 1) {
    nowMs += HOUR_MS;
    costs.push((await measured(() => run())).cpuSeconds);
  }
  const mean = costs.reduce((sum, one) => sum + one, 0) / costs.length;
  console.log(`a step an hour: mean ${mean.toFixed(2)} CPU-s, most ${Math.max(...costs).toFixed(2)} CPU-s`);
}

async function benchLoading(lake: Lake): Promise<void> {
  const entities = goldEntitiesOf(await openFeatures(paymentContent));
  const { result, cost } = await measured(() => openGoldMarts(lake, entities, { heldFromMs: 0 }));
  console.log(`loading three days of marts: ${result.rows} rows, ${mib(result.bytes)} MiB: ${cost}`);
}

function benchStore(): void {
  const width = 20;
  const rows = createHeldRows(width);
  const row = Float64Array.from({ length: width }, (_, i) => i + 0.5);
  const ids = Array.from({ length: actors }, (_, i) => `actor-${i.toString(36).padStart(8, '0')}`);
  const filling = process.cpuUsage();
  for (const [i, id] of ids.entries()) {
    row[0] = i;
    rows.put(id, HOUR_MS, row);
  }
  console.log(
    `${rows.entities} entities × ${width} values: ${mib(rows.bytes)} MiB, filled in ${cpuSeconds(filling)} CPU-s`,
  );
  const target = { row: new Float64Array(width), at: 0 };
  const reading = process.cpuUsage();
  for (const id of ids) rows.read(id, HOUR_MS * 2, target);
  const seconds = Number(cpuSeconds(reading));
  console.log(`look-ups: ${Math.round(actors / seconds / 1_000)} k a CPU-second`);
}

async function measured<T>(work: () => Promise<T>): Promise<{ result: T; cpuSeconds: number; cost: string }> {
  const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const seconds = (performance.now() - startedMs) / 1_000;
  const memory = `RSS ${mib(process.memoryUsage.rss())} MiB`;
  const used = Number(cpuSeconds(cpu));
  return { result, cpuSeconds: used, cost: `${seconds.toFixed(2)} s, ${used} CPU-s, ${memory}` };
}

function cpuSeconds(since: NodeJS.CpuUsage): string {
  const { user, system } = process.cpuUsage(since);
  return ((user + system) / 1e6).toFixed(2);
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
