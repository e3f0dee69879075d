import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lake } from '../lakehouse/lake.ts';
import { createLocalStore } from '../lakehouse/localStorage.ts';
import { probedStore } from '../lakehouse/probe.ts';
import type { ObjectStore } from '../lakehouse/storage.ts';
import { systemClock } from './core/clock.ts';
import type { Config } from './core/config.ts';
import { noCrash } from './core/crashPoint.ts';
import { openDuckdb } from './core/duckdb.ts';
import { isAlive } from './core/pidAlive.ts';
import type { Clock, CrashPoint, Logger } from './core/ports.ts';

export interface LakeDeps {
  readonly log: Logger;
  readonly crashPoint?: CrashPoint;
  readonly clock?: Clock;
}

/**
 * Builds the lake of a configuration: its object store (probed before the first commit), a DuckDB with
 * bounded memory, and a scratch directory of this process, gone at the end.
 */
export async function openLake(config: Config, deps: LakeDeps): Promise<Lake & AsyncDisposable> {
  const { log, crashPoint = noCrash, clock = systemClock } = deps;
  const scratchRoot = join(config.homeDir, 'scratch');
  await removeDeadScratch(scratchRoot);
  const scratch = join(scratchRoot, `${process.pid}-${randomUUID()}`);
  const [stagingDir, tempDir] = [join(scratch, 'staging'), join(scratch, 'duckdb')];
  await mkdir(stagingDir, { recursive: true });
  const store = probedStore(await openStore(config, clock));
  const duckdb = await openDuckdb({ ...config.duckdb, tempDir });
  return {
    store,
    duckdb,
    clock,
    log,
    crashPoint,
    stagingDir,
    [Symbol.asyncDispose]: async () => {
      await duckdb[Symbol.asyncDispose]();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

/** The store that `TIDEMARK_LAKE` names. */
export async function openStore(config: Config, clock: Clock = systemClock): Promise<ObjectStore> {
  const { uri, s3, cacheDir, cacheBytes } = config.lake;
  const match = /^s3:\/\/([^/]+)\/?(.*?)\/*$/.exec(uri);
  if (match === null) return createLocalStore(uri);
  const [, bucket = '', prefix = ''] = match;
  // Loaded when needed: the client is slow to load, and a lake on the local disk has no use for it.
  const { createS3Store } = await import('../lakehouse/s3Storage.ts');
  return createS3Store({ ...s3, bucket, prefix, cacheDir, cacheBytes, clock });
}

// === Helpers ===

/** What a killed process left behind. */
async function removeDeadScratch(root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  for (const name of await readdir(root)) {
    if (!isAlive(Number(name.split('-')[0]))) await rm(join(root, name), { recursive: true, force: true });
  }
}
