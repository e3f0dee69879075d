import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Content, paymentContent } from '../../infra/content.ts';
import { type Config, loadConfig } from '../../infra/core/config.ts';
import { createLogger } from '../../infra/core/logger.ts';
import { openGrid } from '../../infra/grid.ts';
import { openLake } from '../../infra/lake.ts';
import { runTraining } from '../../infra/training.ts';
import { openTransforms } from '../../infra/transforms.ts';
import { landFile } from '../../ingestion/landFile.ts';
import { DOMAINS } from '../../ingestion/simulator/domains.ts';
import { writeHistory } from '../../ingestion/simulator/history.ts';
import { runModels } from '../../transforms/run.ts';

/**
 * What a training costs on about `--rows` rows: extract from a release, three forests of 300 trees, baselines,
 * gates, card. The lake is made first; the training runs in a process of its own, as on schedule.
 */
const DAY_MS = 86_400_000;
/** Events of an actor in 60 days, by measurement; 48 of the days are trained on. */
const ROWS_PER_ACTOR = (81 * 48) / 60;

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '200000' }, home: { type: 'string' } },
});

if (values.home === undefined) await prepareAndSpawn();
else await benchTraining(configOf(values.home));

// === Helpers ===

function configOf(home: string): Config {
  return loadConfig({
    TIDEMARK_HOME: home,
    TIDEMARK_KAFKA: '127.0.0.1:9',
    XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'],
  });
}

async function prepareAndSpawn(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  try {
    console.log(`machine: ${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`);
    console.log(`command: node test/bench/training.ts --rows ${values.rows}`);
    await prepare(join(root, 'history'), configOf(join(root, 'home')));
    const { status } = spawnSync(process.execPath, [import.meta.filename, '--home', join(root, 'home')], {
      stdio: 'inherit',
    });
    process.exitCode = status ?? 1;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function prepare(dir: string, config: Config): Promise<void> {
  const log = createLogger({ name: 'bench', level: 'error' });
  const endMs = Math.floor(Date.now() / 3_600_000) * 3_600_000;
  const actors = Math.ceil(Number(values.rows) / ROWS_PER_ACTOR / DOMAINS.length);
  const { files } = await writeHistory({
    seed: 42,
    days: 60,
    endMs,
    actors,
    domains: DOMAINS,
    fraudRate: 0.02,
    dir,
  });
  await using lake = await openLake(config, { log });
  for (const { topic, path } of files) {
    const contract = paymentContent.contracts.find((c) => c.topic === topic);
    if (contract !== undefined)
      await landFile({ lake, kafka: config.kafka, limits: config.flush, log }, { path, contract });
  }
  await runModels(await openTransforms(lake, paymentContent, log));
  await (await openGrid(lake, paymentContent, config))();
}

/** Of the history's 60 days two are left for windows to fill, and ten to mature. */
async function benchTraining(config: Config): Promise<void> {
  const { scoring } = paymentContent;
  const content: Content = {
    ...paymentContent,
    scoring: { ...scoring, training: { ...scoring.training, warmUpMs: 2 * DAY_MS } },
  };
  const log = createLogger({ name: 'bench', level: 'error' });
  const [startMs, before] = [performance.now(), process.cpuUsage()];
  const { card } = await runTraining(
    content,
    { promote: false, by: 'bench' },
    { config, log, say: console.log },
  );
  const { user, system } = process.cpuUsage(before);
  const { training, calibration, validation } = card.data.slices;
  const rows = training.rows + calibration.rows + validation.rows;
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  const cpuSeconds = ((user + system) / 1e6).toFixed(1);
  const peakMiB = Math.round(process.resourceUsage().maxRSS / 1_024);
  console.log(
    `training on ${rows} rows × ${card.features.length} features: ${seconds} s, ${cpuSeconds} CPU-s, peak ${peakMiB} MiB`,
  );
}
