import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Config } from '../core/config.ts';
import { isFault } from '../core/errorCatalog.ts';
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

/**
 * Trains the first model. The gates are the gates: without a model that passes them every decision is a review.
 * So it is without a model at all: a training that fails is said, and holds nothing up, or the next `up`
 * would only fail in the same way.
 */
export async function trainFirstModel(
  say: UpDeps['say'],
  signal: AbortSignal,
  train: typeof runCli = runCli,
): Promise<void> {
  say('training the first model on it');
  try {
    const told = trainingReport.parse(JSON.parse(await train(['train', '--by', 'up', '--json'], signal)));
    for (const line of trainingLines(told)) say(line);
  } catch (error) {
    signal.throwIfAborted();
    if (!isFault(error, 'STACK_STEP_FAILED')) throw error;
    say(`NOT trained, so every decision will be a review: ${error.message}`);
    say('when that is mended: ./tidemark train');
  }
}

// === Helpers ===

function trainingLines({ card, promoted, champion, reason }: z.infer<typeof trainingReport>): string[] {
  const { version, validation } = card;
  const [precision, prevalence] = [validation.model.averagePrecision, validation.prevalence];
  const learnt = `model ${version}: average precision ${precision.toFixed(3)} where ${share(prevalence)} are fraud`;
  if (promoted || champion === version) return [learnt, 'its gates passed: it is the champion'];
  const standing = champion == null ? 'so every decision will be a review' : `${champion} goes on deciding`;
  return [learnt, `NOT promoted, ${standing}: ${reason}`];
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
  champion: z.string().nullish(),
  reason: z.string(),
  card: z.object({
    version: z.string(),
    validation: z.object({ prevalence: z.number(), model: z.object({ averagePrecision: z.number() }) }),
  }),
});
