import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Config } from '../core/config.ts';
import { openStore } from '../lake.ts';
import { runCli } from './cliChild.ts';
import { stackPaths } from './stackPaths.ts';
import type { UpDeps } from './stackUp.ts';

interface HistoryFile {
  readonly topic: string;
  readonly path: string;
}

const SEED = '42';
const DAYS = '60';

/**
 * Whether a first history has to land before scheduled jobs and traffic begin: the demo is on, and the lake is empty or an earlier `up`
 * was interrupted while it landed one. A file remembers that, so that the next `up` goes on.
 */
export async function beginSeeding(config: Config, { mayBegin }: { mayBegin: boolean }): Promise<boolean> {
  const paths = stackPaths(config.homeDir);
  if (!config.demo) rmSync(paths.seedingFile, { force: true });
  const begun = existsSync(paths.seedingFile);
  if (!config.demo || !(begun || (mayBegin && (await lakeIsEmpty(config))))) return false;
  mkdirSync(paths.runDir, { recursive: true });
  writeFileSync(paths.seedingFile, '');
  return true;
}

/** Makes the history, or takes it from the cache; a file for each topic. */
export async function makeHistory({ config, say }: UpDeps, signal: AbortSignal): Promise<HistoryFile[]> {
  const { historyDir } = stackPaths(config.homeDir);
  say(`making ${DAYS} days of simulated history`);
  const made = await runCli(
    ['simulate', '--history', historyDir, '--days', DAYS, '--seed', SEED, '--json'],
    signal,
  );
  say('history made');
  return historyReport.parse(JSON.parse(made)).files;
}

/** Lands the files, runs the models once, trains on them and lets the held-back processes go. Can be done again. */
export async function landFirstHistory(
  { config, say }: UpDeps,
  files: readonly HistoryFile[],
  signal: AbortSignal,
): Promise<void> {
  // Topics land in tables of their own: two at a time keep a small machine busy without filling it.
  const waiting = [...files];
  const lane = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      await runCli(['land', '--from', file.path, '--topic', file.topic], signal);
      say(`history of ${file.topic} landed`);
    }
  };
  await Promise.all([lane(), lane()]);
  await runCli(['run'], signal);
  say('silver and gold built from it');
  const trained = trainingReport.parse(JSON.parse(await runCli(['train', '--json', '--by', 'up'], signal)));
  const { version } = trained.card;
  say(
    trained.promoted
      ? `model ${version} trained; it passed its gates and decides`
      : `model ${version} trained; it does not decide: ${trained.reason}`,
  );
  rmSync(stackPaths(config.homeDir).seedingFile, { force: true });
}

// === Helpers ===

/** No table of the landed layer has anything yet. */
async function lakeIsEmpty(config: Config): Promise<boolean> {
  const store = await openStore(config);
  for await (const _object of store.list('bronze/')) return false;
  return true;
}

/** What `train --json` prints, as far as it matters here. */
const trainingReport = z.object({
  promoted: z.boolean(),
  reason: z.string(),
  card: z.object({ version: z.string() }),
});

/** What `simulate --history --json` prints, as far as it matters here. */
const historyReport = z.object({ files: z.array(z.object({ topic: z.string(), path: z.string() })) });
