import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Config } from '../core/config.ts';
import { openStore } from '../lake.ts';
import { runCli } from './cliChild.ts';
import { stackPaths } from './stackPaths.ts';
import type { UpDeps } from './stackUp.ts';

/** A first history that has to land before scheduled jobs and traffic begin. */
export interface Seeding {
  /** Names of the processes that wait for it. */
  readonly heldBack: readonly string[];
  /** Makes the history, or takes it from the cache; returns a file for each topic. */
  makeHistory(): Promise<readonly HistoryFile[]>;
}

export interface HistoryFile {
  readonly topic: string;
  readonly path: string;
}

const SEED = '42';
const DAYS = '60';

/**
 * Decides whether a first history is wanted: the demo is on, and the lake is empty or an earlier `up`
 * was interrupted while it landed one. A file remembers that, so that the next `up` goes on.
 */
export async function markSeeding(
  deps: UpDeps,
  { mayBegin, signal }: { mayBegin: boolean; signal: AbortSignal },
): Promise<Seeding | undefined> {
  const { config } = deps;
  const paths = stackPaths(config.homeDir);
  if (!config.demo) rmSync(paths.seedingFile, { force: true });
  const begun = existsSync(paths.seedingFile);
  if (!config.demo || !(begun || (mayBegin && (await lakeIsEmpty(config))))) return undefined;
  mkdirSync(paths.runDir, { recursive: true });
  writeFileSync(paths.seedingFile, '');
  return { heldBack: ['jobs', 'demo'], makeHistory: () => makeHistory(deps, signal) };
}

/** Lands the files, runs the models once and lets the held-back processes go. Can be done again. */
export async function landFirstHistory(
  { config, say }: UpDeps,
  files: readonly HistoryFile[],
  signal: AbortSignal,
): Promise<void> {
  for (const { topic, path } of files) {
    await runCli(['land', '--from', path, '--topic', topic], signal);
    say(`history of ${topic} landed`);
  }
  await runCli(['run'], signal);
  say('silver and gold built from it');
  rmSync(stackPaths(config.homeDir).seedingFile, { force: true });
}

// === Helpers ===

/** No table of the landed layer has anything yet. */
async function lakeIsEmpty(config: Config): Promise<boolean> {
  const store = await openStore(config);
  for await (const _object of store.list('bronze/')) return false;
  return true;
}

async function makeHistory({ config, say }: UpDeps, signal: AbortSignal): Promise<HistoryFile[]> {
  const { historyDir } = stackPaths(config.homeDir);
  say(`making ${DAYS} days of simulated history`);
  const made = await runCli(
    ['simulate', '--history', historyDir, '--days', DAYS, '--seed', SEED, '--json'],
    signal,
  );
  say('history made');
  return historyReport.parse(JSON.parse(made)).files;
}

/** What `simulate --history --json` prints, as far as it matters here. */
const historyReport = z.object({ files: z.array(z.object({ topic: z.string(), path: z.string() })) });
