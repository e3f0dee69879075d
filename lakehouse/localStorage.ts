import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fault } from '../infra/core/errorCatalog.ts';
import type { ObjectInfo, ObjectStore, PutIfAbsentResult } from './storage.ts';

/** Names of files that are being written; no listing shows them. */
const TEMPORARY_PREFIX = '.tmp-';

/**
 * A store in a local directory. An object appears under its name complete and on disk, or not at all:
 * it is written beside, synchronised, then linked (`link` refuses an existing name, which makes
 * `putIfAbsent` atomic across processes) or renamed, and the directory is synchronised.
 */
export function createLocalStore(root: string): ObjectStore {
  const pathOf = (key: string) => join(root, key);
  return {
    uri: root,
    read: (key) => guarded(root, () => readIfThere(pathOf(key))),
    put: (key, body) => guarded(root, () => replace(pathOf(key), body)),
    putFile: (key, localPath) => guarded(root, () => moveIn(pathOf(key), localPath)),
    putIfAbsent: (key, body) => guarded(root, () => linkIfAbsent(pathOf(key), body)),
    list: (prefix, startAfter = '') => listTree(root, prefix, startAfter),
    remove: (key) => guarded(root, () => rm(pathOf(key), { force: true })),
    openLocal: (key) =>
      guarded(root, async () => {
        const path = pathOf(key);
        if ((await statIfThere(path)) === undefined) throw fault('LAKE_OBJECT_MISSING', { uri: root, key });
        return { path, release: async () => {} };
      }),
  };
}

// === Helpers ===

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function replace(path: string, body: Uint8Array): Promise<void> {
  const temporary = await writeBeside(path, body);
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

/** Data files have unique names, so a rename never replaces one. */
async function moveIn(path: string, localPath: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${randomUUID()}`);
  try {
    await rename(localPath, temporary);
  } catch (error) {
    if (!isCode(error, 'EXDEV')) throw error;
    await copyFile(localPath, temporary);
    await rm(localPath, { force: true });
  }
  await syncFile(temporary);
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

async function linkIfAbsent(path: string, body: Uint8Array): Promise<PutIfAbsentResult> {
  const temporary = await writeBeside(path, body);
  try {
    await link(temporary, path);
  } catch (error) {
    if (isCode(error, 'EEXIST')) return 'exists';
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
  return 'created';
}

async function writeBeside(path: string, body: Uint8Array): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${randomUUID()}`);
  await using file = await open(temporary, 'wx');
  await file.writeFile(body);
  await file.sync();
  return temporary;
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  await file.sync();
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r');
  await directory.sync();
}

/** Walks in order of key; directories that lie outside of prefix or before the start are not read. */
async function* listTree(root: string, prefix: string, startAfter: string): AsyncGenerator<ObjectInfo> {
  yield* walk(prefix.slice(0, prefix.lastIndexOf('/') + 1));

  async function* walk(directory: string): AsyncGenerator<ObjectInfo> {
    const entries = await guarded(root, () => readDirectory(join(root, directory)));
    const keys = entries.map((entry) => `${directory}${entry.name}${entry.isDirectory() ? '/' : ''}`);
    for (const key of keys.filter((name) => mayHold(name, prefix, startAfter)).sort()) {
      if (key.endsWith('/')) yield* walk(key);
      else yield* infoIfThere(root, key);
    }
  }
}

/** Whether the file, or something in the directory, has the prefix and comes after the start. */
function mayHold(key: string, prefix: string, startAfter: string): boolean {
  if (!key.endsWith('/')) return key.startsWith(prefix) && key > startAfter;
  return (
    (key.startsWith(prefix) || prefix.startsWith(key)) && (key > startAfter || startAfter.startsWith(key))
  );
}

async function* infoIfThere(root: string, key: string): AsyncGenerator<ObjectInfo> {
  const info = await guarded(root, () => statIfThere(join(root, key)));
  if (info !== undefined) yield { key, size: info.size, modifiedMs: info.mtimeMs };
}

async function readDirectory(path: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => !entry.name.startsWith(TEMPORARY_PREFIX));
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return [];
    throw error;
  }
}

/** Errors of the operating system (disk full, permissions) as the store's error. */
async function guarded<T>(uri: string, effect: () => Promise<T>): Promise<T> {
  try {
    return await effect();
  } catch (error) {
    if (!(error instanceof Error) || !('errno' in error)) throw error;
    throw fault('LAKE_STORE_UNAVAILABLE', { uri, detail: error.message }, error);
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
