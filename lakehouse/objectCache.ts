import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isAlive } from '../infra/core/pidAlive.ts';
import type { LocalObject } from './storage.ts';

/** Copies of immutable objects on the local disk, bounded in size, shared by all processes. */
export interface ObjectCache {
  /** The object's copy, fetched when there is none; it stays until released. */
  open(key: string, fetch: (localPath: string) => Promise<void>): Promise<LocalObject>;
}

/** After an eviction this part of the bound is in use, so that not each fetch evicts. */
const KEEP_FRACTION = 0.9;

/**
 * Layout: `pool/<key>` are the copies; `pins/<pid>/<uuid>` are hard links to the ones in use. Eviction
 * removes names of the pool only, so a copy that any process reads lives on until its pin goes; pins
 * of dead processes go when the next cache is opened.
 */
export async function openObjectCache(options: {
  readonly directory: string;
  readonly maxBytes: number;
}): Promise<ObjectCache> {
  const pool = join(options.directory, 'pool');
  const pins = join(options.directory, 'pins', String(process.pid));
  await removeDeadPins(join(options.directory, 'pins'));
  await Promise.all([mkdir(pool, { recursive: true }), mkdir(pins, { recursive: true })]);
  let usedBytes = (await poolFiles(pool)).reduce((sum, file) => sum + file.size, 0);
  const pin = async (path: string): Promise<LocalObject> => {
    const pinned = join(pins, `${randomUUID()}.parquet`);
    await link(path, pinned);
    return { path: pinned, release: () => rm(pinned, { force: true }) };
  };
  return {
    open: async (key, fetch) => {
      const path = join(pool, key);
      const hit = await pinIfThere(path, pin);
      if (hit !== undefined) return hit;
      await mkdir(dirname(path), { recursive: true });
      const temporary = join(pins, `${randomUUID()}.part`);
      try {
        await fetch(temporary);
        await syncFile(temporary);
        const local = await pin(temporary);
        await rename(temporary, path);
        usedBytes += (await stat(local.path)).size;
        if (usedBytes > options.maxBytes) usedBytes = await evict(pool, options.maxBytes * KEEP_FRACTION);
        return local;
      } finally {
        await rm(temporary, { force: true });
      }
    },
  };
}

// === Helpers ===

async function pinIfThere(
  path: string,
  pin: (path: string) => Promise<LocalObject>,
): Promise<LocalObject | undefined> {
  try {
    const local = await pin(path);
    const now = new Date();
    await utimes(local.path, now, now);
    return local;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  await file.sync();
}

/** Removes the copies used longest ago until the rest fits. Returns the bytes that are left. */
async function evict(pool: string, keepBytes: number): Promise<number> {
  const files = (await poolFiles(pool)).sort((a, b) => a.usedMs - b.usedMs);
  let left = files.reduce((sum, file) => sum + file.size, 0);
  for (const file of files) {
    if (left <= keepBytes) break;
    await rm(file.path, { force: true });
    left -= file.size;
  }
  return left;
}

/** Other processes evict from the same pool: a file that vanishes here is gone, no more. */
async function poolFiles(pool: string): Promise<{ path: string; size: number; usedMs: number }[]> {
  const entries = await readdir(pool, { recursive: true, withFileTypes: true });
  const files: { path: string; size: number; usedMs: number }[] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    try {
      const info = await stat(path);
      files.push({ path, size: info.size, usedMs: info.mtimeMs });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  return files;
}

async function removeDeadPins(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const name of await readdir(directory)) {
    if (!isAlive(Number(name))) await rm(join(directory, name), { recursive: true, force: true });
  }
}
