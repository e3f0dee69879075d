import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
 * was interrupted while it landed one. The decision is kept in a file, so that the next `up` goes on.
 */
export async function markSeeding(
  deps: UpDeps,
  { mayBegin, signal }: { mayBegin: boolean; signal: AbortSignal },
): Promise<Seeding | undefined> {
  const { config } = deps;
  const paths = stackPaths(config.homeDir);
  if (!config.demo) rmSync(paths.seedingFile, { force: true });
  const begun = existsSync(paths.seedingFile);
  if (!config.demo || !(begun || (mayBegin && (await lakeIsEmpty(signal))))) return undefined;
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

async function lakeIsEmpty(signal: AbortSignal): Promise<boolean> {
  const tables = await runCli(['table', 'list', '--json'], signal);
  return !tables.includes('"bronze.');
}

async function makeHistory({ config, say }: UpDeps, signal: AbortSignal): Promise<HistoryFile[]> {
  const { historyDir } = stackPaths(config.homeDir);
  say(`making ${DAYS} days of simulated history`);
  const made = await runCli(
    ['simulate', '--history', historyDir, '--days', DAYS, '--seed', SEED, '--json'],
    signal,
  );
  say('history made');
  return filesOf(historyDir, made);
}

function filesOf(dir: string, _report: string): HistoryFile[] {
  const names = readdirSync(dir).filter((name) => name.endsWith('.parquet'));
  return names.map((name) => ({ topic: name.replace('.parquet', ''), path: join(dir, name) }));
}
