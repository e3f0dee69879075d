import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fault } from '../infra/core/errorCatalog.ts';
import type { ObjectInfo, ObjectStore } from './storage.ts';

/**
 * A store in this process's memory: atomic, ordered, gone at the end. For tests and small examples.
 * Only `openLocal` touches the disk: it gives a copy that lives until its release.
 */
export function createMemoryStore(): ObjectStore {
  const objects = new Map<string, { body: Uint8Array; modifiedMs: number }>();
  const store = (key: string, body: Uint8Array) => {
    objects.set(key, { body: body.slice(), modifiedMs: Date.now() });
  };
  return {
    uri: 'memory:',
    read: async (key) => objects.get(key)?.body.slice(),
    put: async (key, body) => store(key, body),
    putFile: async (key, localPath) => {
      store(key, await readFile(localPath));
      await rm(localPath, { force: true });
    },
    putIfAbsent: async (key, body) => {
      if (objects.has(key)) return 'exists';
      store(key, body);
      return 'created';
    },
    async *list(prefix, startAfter = ''): AsyncGenerator<ObjectInfo> {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > startAfter);
      for (const key of keys.sort()) {
        const object = objects.get(key);
        if (object !== undefined) yield { key, size: object.body.length, modifiedMs: object.modifiedMs };
      }
    },
    remove: async (key) => {
      objects.delete(key);
    },
    openLocal: async (key) => {
      const object = objects.get(key);
      if (object === undefined) throw fault('LAKE_OBJECT_MISSING', { uri: 'memory:', key });
      const directory = await mkdtemp(join(tmpdir(), 'tidemark-memory-'));
      const path = join(directory, 'object');
      await writeFile(path, object.body);
      return { path, release: () => rm(directory, { recursive: true, force: true }) };
    },
  };
}
