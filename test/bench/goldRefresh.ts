import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { paymentContent } from '../../infra/content.ts';
import { loadConfig } from '../../infra/core/config.ts';
import { sqlText } from '../../infra/core/duckdb.ts';
import { createLogger } from '../../infra/core/logger.ts';
import { openLake } from '../../infra/lake.ts';
import { openTransforms } from '../../infra/transforms.ts';
import { DOMAINS } from '../../ingestion/simulator/domains.ts';
import { type History, writeHistory } from '../../ingestion/simulator/history.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { type RunDeps, runModels } from '../../transforms/run.ts';
import { landValues } from '../transforms/bronzeRows.ts';

/**
 * What a refresh of silver and gold costs: a lake with `--events` simulated events, then `--new` more,
 * three times, each followed by one run of all models as `tidemark run` does it.
 */
const TARGET_SECONDS = 2;
const ROUNDS = 3;

/** Events of an actor in 60 days, by measurement. */
const EVENTS_PER_ACTOR = 81;

const { values } = parseArgs({
  options: { events: { type: 'string', default: '1000000' }, new: { type: 'string', default: '10000' } },
});
const [events, added] = [Number(values.events), Number(values.new)];

const root = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
try {
  console.log(`machine: ${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`);
  console.log(`command: node test/bench/goldRefresh.ts --events ${events} --new ${added}`);
  await benchmark();
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function benchmark(): Promise<void> {
  const actors = Math.ceil(events / EVENTS_PER_ACTOR / DOMAINS.length);
  const parameters = {
    seed: 42,
    days: 60,
    endMs: Date.UTC(2026, 2, 31),
    actors,
    domains: DOMAINS,
    fraudRate: 0.02,
  };
  const history = await writeHistory({ ...parameters, dir: join(root, 'history') });
  const log = createLogger({ name: 'bench', level: 'error' });
  await using lake = await openLake(loadConfig({ TIDEMARK_HOME: join(root, 'home') }), { log });
  const deps = await openTransforms(lake, paymentContent, log);
  const total = history.files.slice(0, DOMAINS.length).reduce((sum, file) => sum + file.rows, 0);
  const share = (added / total) * ROUNDS;

  await land(lake, history, { from: 0, to: 1 - share });
  console.log(`${Math.round(total * (1 - share))} events, first run: ${await measuredRun(deps)}`);
  for (let round = 0; round < ROUNDS; round += 1) {
    const step = share / ROUNDS;
    const from = 1 - share + round * step;
    await land(lake, history, { from, to: from + step });
    const cost = await measuredRun(deps);
    console.log(`${Math.round(total * step)} new events (aim ≤ ${TARGET_SECONDS} s): ${cost}`);
  }
}

/** The part of each topic's history between two shares of it, in order of arrival. */
async function land(lake: Lake, history: History, part: { from: number; to: number }): Promise<void> {
  for (const { topic, path, rows } of history.files) {
    const contract = paymentContent.contracts.find((c) => c.topic === topic);
    if (contract === undefined) continue;
    const [from, to] = [Math.round(rows * part.from), Math.round(rows * part.to)];
    await landValues(
      lake,
      contract,
      `select o, 0 as p, arrived_at as t, value as v
       from (select *, row_number() over (order by arrived_at, key, value) - 1 as o from read_parquet(${sqlText(path)}))
       where o >= ${from} and o < ${to}`,
    );
  }
}

async function measuredRun(deps: RunDeps): Promise<string> {
  const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
  const { summary } = await runModels(deps);
  const used = process.cpuUsage(cpu);
  const seconds = (performance.now() - startedMs) / 1_000;
  const cpuSeconds = (used.user + used.system) / 1e6;
  const models = summary.models.map((m) => `  ${m.model} ${m.seconds.toFixed(2)} s, ${m.rows_written} rows`);
  const memory = `RSS ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB`;
  return [`${seconds.toFixed(2)} s, ${cpuSeconds.toFixed(2)} CPU-s, ${memory}`, ...models].join('\n');
}
