import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createLocalStore } from '../../lakehouse/localStorage.ts';
import { createMemoryStore } from '../../lakehouse/memoryStorage.ts';
import { openObjectCache } from '../../lakehouse/objectCache.ts';
import { probedStore, probeStore } from '../../lakehouse/probe.ts';
import { faultyStore } from '../support/faultyStorage.ts';
import { describeStorage } from './storageConformance.ts';

describeStorage('memory', async () => ({ store: createMemoryStore(), dispose: async () => {} }));

describeStorage('local directory', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tidemark-local-'));
  return { store: createLocalStore(root), dispose: () => rm(root, { recursive: true, force: true }) };
});

describe('local directory', () => {
  test('a torn write under a temporary name is not an object', async () => {
    await using scratch = await scratchDirectory();
    const store = createLocalStore(scratch.path);
    await store.put('t/a', new Uint8Array([1]));
    await writeFile(join(scratch.path, 't', '.tmp-torn'), 'half');
    const keys = [];
    for await (const { key } of store.list('')) keys.push(key);
    expect(keys).toEqual(['t/a']);
  });

  test('put-if-absent leaves no temporary file behind, won or lost', async () => {
    await using scratch = await scratchDirectory();
    const store = createLocalStore(scratch.path);
    await Promise.all(Array.from({ length: 8 }, () => store.putIfAbsent('t/a', new Uint8Array([1]))));
    expect(await readdir(join(scratch.path, 't'))).toEqual(['a']);
  });

  test('an error of the file system is the store’s error, with its cause', async () => {
    await using scratch = await scratchDirectory();
    const store = createLocalStore(scratch.path);
    await store.put('file', new Uint8Array([1]));
    await expect(store.put('file/below', new Uint8Array([1]))).rejects.toMatchObject({
      code: 'LAKE_STORE_UNAVAILABLE',
      cause: { code: expect.stringMatching(/ENOTDIR|EEXIST/) },
    });
  });
});

describe('probe', () => {
  test('a store that ignores the condition is refused', async () => {
    const store = createMemoryStore();
    const blind = {
      ...store,
      putIfAbsent: async (key: string, body: Uint8Array) => {
        await store.put(key, body);
        return 'created' as const;
      },
    };
    await expect(probeStore(blind)).rejects.toMatchObject({ code: 'LAKE_STORE_UNSAFE' });
    await expect(probedStore(blind).putIfAbsent('k', new Uint8Array())).rejects.toMatchObject({
      code: 'LAKE_STORE_UNSAFE',
    });
    expect(await blind.read('k')).toBeUndefined();
  });

  test('a store that answers exists without having the object is refused', async () => {
    const store = { ...createMemoryStore(), putIfAbsent: async () => 'exists' as const };
    await expect(probeStore(store)).rejects.toMatchObject({ code: 'LAKE_STORE_UNSAFE' });
  });

  test('runs once, before the first conditional put only', async () => {
    const counted = faultyStore(createMemoryStore());
    const store = probedStore(counted);
    await store.put('a', new Uint8Array());
    expect(counted.calls.putIfAbsent).toBe(0);
    await store.putIfAbsent('b', new Uint8Array());
    await store.putIfAbsent('c', new Uint8Array());
    expect(counted.calls.putIfAbsent).toBe(17 + 2);
  });
});

describe('object cache', () => {
  const fill = (size: number) => (path: string) => writeFile(path, Buffer.alloc(size, 1));
  const refuse = async () => {
    throw new TypeError('fetched again');
  };

  test('a second open is a hit; eviction takes what was used longest ago and never what is in use', async () => {
    await using scratch = await scratchDirectory();
    const cache = await openObjectCache({ directory: scratch.path, maxBytes: 250 });
    const first = await cache.open('a/1', fill(100));
    await (await cache.open('a/1', refuse)).release();
    await (await cache.open('a/2', fill(100))).release();
    await (await cache.open('a/3', fill(100))).release();
    expect((await readdir(join(scratch.path, 'pool', 'a'))).length).toBeLessThanOrEqual(2);
    expect(await readdir(first.path.replace(/[^/]+$/, ''))).toHaveLength(1);
    await first.release();
    expect(await readdir(first.path.replace(/[^/]+$/, ''))).toHaveLength(0);
    await expect(cache.open('a/1', refuse)).rejects.toThrow('fetched again');
  });

  test('copies outlive the process that fetched them; pins of dead processes are cleared', async () => {
    await using scratch = await scratchDirectory();
    const cache = await openObjectCache({ directory: scratch.path, maxBytes: 1_000 });
    await (await cache.open('x', fill(10))).release();
    const dead = join(scratch.path, 'pins', '4194305');
    await mkdir(dead);
    const again = await openObjectCache({ directory: scratch.path, maxBytes: 1_000 });
    await (await again.open('x', refuse)).release();
    expect(await readdir(join(scratch.path, 'pins'))).toEqual([String(process.pid)]);
  });

  test('a failed fetch leaves nothing that looks like the object', async () => {
    await using scratch = await scratchDirectory();
    const cache = await openObjectCache({ directory: scratch.path, maxBytes: 1_000 });
    const torn = async (path: string) => {
      await writeFile(path, 'half');
      throw new TypeError('connection lost');
    };
    await expect(cache.open('x', torn)).rejects.toThrow('connection lost');
    const local = await cache.open('x', fill(3));
    expect(await readdir(join(scratch.path, 'pins', String(process.pid)))).toHaveLength(1);
    await local.release();
  });
});

async function scratchDirectory() {
  const path = await mkdtemp(join(tmpdir(), 'tidemark-scratch-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
