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

/** Lands the files, runs the models once, trains on them, and lets the held-back processes go. Can be done again. */
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
  say('silver, gold and feature marts built from it');
  await trainFirstModel(say, signal);
  rmSync(stackPaths(config.homeDir).seedingFile, { force: true });
}

// === Helpers ===

/** The gates are the gates: without a model that passes them, every decision is a review. */
async function trainFirstModel(say: UpDeps['say'], signal: AbortSignal): Promise<void> {
  say('training the first model on it');
  const told = trainingReport.parse(JSON.parse(await runCli(['train', '--by', 'up', '--json'], signal)));
  const { version, validation } = told.card;
  const [precision, prevalence] = [validation.model.averagePrecision, validation.prevalence];
  say(`model ${version}: average precision ${precision.toFixed(3)} where ${share(prevalence)} are fraud`);
  if (told.promoted) say(`its gates passed: it is the champion`);
  else say(`NOT promoted, so every decision will be a review: ${told.reason}`);
}

function share(of: number): string {
  return `${(100 * of).toFixed(1)} %`;
}

/** No table of the landed layer has anything yet. */
async function lakeIsEmpty(config: Config): Promise<boolean> {
  const store = await openStore(config);
  for await (const _object of store.list('bronze/')) return false;
  return true;
}

/** What `simulate --history --json` prints, as far as it matters here. */
const historyReport = z.object({ files: z.array(z.object({ topic: z.string(), path: z.string() })) });

/** What `train --json` prints, likewise. */
const trainingReport = z.object({
  promoted: z.boolean(),
  reason: z.string(),
  card: z.object({
    version: z.string(),
    validation: z.object({ prevalence: z.number(), model: z.object({ averagePrecision: z.number() }) }),
  }),
});
