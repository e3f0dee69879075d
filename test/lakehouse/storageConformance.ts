import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { probeStore } from '../../lakehouse/probe.ts';
import type { ObjectStore } from '../../lakehouse/storage.ts';

/** What every adapter of the port must do; `open` gives an empty store. */
export function describeStorage(
  name: string,
  open: () => Promise<{ store: ObjectStore; dispose(): Promise<void> }>,
): void {
  describe(`object store: ${name}`, () => {
    let store: ObjectStore;
    let scratch: string;
    const cleanups: (() => Promise<void>)[] = [];
    const bytes = (text: string) => new TextEncoder().encode(text);
    const text = (body: Uint8Array | undefined) => body && new TextDecoder().decode(body);
    const keys = async (prefix: string, startAfter?: string) => {
      const found: string[] = [];
      for await (const { key } of store.list(prefix, startAfter)) found.push(key);
      return found;
    };
    beforeAll(async () => {
      const opened = await open();
      store = opened.store;
      scratch = await mkdtemp(join(tmpdir(), 'tidemark-storage-'));
      cleanups.push(opened.dispose, () => rm(scratch, { recursive: true, force: true }));
    });
    afterAll(async () => {
      for (const cleanup of cleanups) await cleanup();
    });

    test('an object that is not there reads as undefined, and removing it is no error', async () => {
      expect(await store.read('none/here')).toBeUndefined();
      await store.remove('none/here');
    });

    test('put replaces, read gives the bytes', async () => {
      await store.put('a/one', bytes('first'));
      await store.put('a/one', bytes('second'));
      expect(text(await store.read('a/one'))).toBe('second');
      await store.put('a/empty', bytes(''));
      expect(await store.read('a/empty')).toHaveLength(0);
    });

    test('put-if-absent creates once and changes nothing after', async () => {
      expect(await store.putIfAbsent('b/one', bytes('mine'))).toBe('created');
      expect(await store.putIfAbsent('b/one', bytes('theirs'))).toBe('exists');
      expect(text(await store.read('b/one'))).toBe('mine');
    });

    test('of many puts of one key at once exactly one creates, and its bytes are what stays', async () => {
      for (let round = 0; round < 5; round += 1) {
        const key = `race/${round}`;
        const results = await Promise.all(
          Array.from({ length: 16 }, (_, i) => store.putIfAbsent(key, bytes(`writer ${i}`))),
        );
        expect(results.filter((result) => result === 'created')).toHaveLength(1);
        expect(results.filter((result) => result === 'exists')).toHaveLength(15);
        expect(text(await store.read(key))).toBe(`writer ${results.indexOf('created')}`);
      }
    });

    test('the probe finds the store safe and leaves nothing', async () => {
      await probeStore(store);
      expect(await keys('_probe/')).toEqual([]);
    });

    test('a listing has the prefix only, in order of key, strictly after the start', async () => {
      for (const key of ['l/b/2', 'l/a', 'l/b/1', 'l/b-', 'l/c', 'lx', 'l/b0'])
        await store.put(key, bytes(key));
      expect(await keys('l/')).toEqual(['l/a', 'l/b-', 'l/b/1', 'l/b/2', 'l/b0', 'l/c']);
      expect(await keys('l/b')).toEqual(['l/b-', 'l/b/1', 'l/b/2', 'l/b0']);
      expect(await keys('l/', 'l/b/1')).toEqual(['l/b/2', 'l/b0', 'l/c']);
      expect(await keys('l/', 'l/b/')).toEqual(['l/b/1', 'l/b/2', 'l/b0', 'l/c']);
      expect(await keys('none/')).toEqual([]);
    });

    test('a listing says size and time', async () => {
      await store.put('info/x', bytes('12345'));
      for await (const info of store.list('info/')) {
        expect(info).toMatchObject({ key: 'info/x', size: 5 });
        expect(Math.abs(info.modifiedMs - Date.now())).toBeLessThan(60_000);
      }
    });

    test('more objects than one page of a listing', async () => {
      const names = Array.from({ length: 1_105 }, (_, i) => `page/${String(i).padStart(4, '0')}`);
      for (let i = 0; i < names.length; i += 50) {
        await Promise.all(names.slice(i, i + 50).map((name) => store.put(name, bytes('x'))));
      }
      expect(await keys('page/')).toEqual(names);
      expect(await keys('page/', 'page/1099')).toEqual(names.slice(1_100));
    }, 60_000);

    test.each([
      ['a small file', 1_000],
      ['an empty file', 0],
      ['a file of several parts', 33 * 2 ** 20 + 7],
    ])('putFile: %s arrives byte for byte and opens as a local file', async (_, size) => {
      const body = Buffer.alloc(size);
      for (let i = 0; i < size; i += 4_093) body[i] = i % 251;
      const localPath = join(scratch, randomUUID());
      await writeFile(localPath, body);
      const key = `files/${randomUUID()}.parquet`;
      await store.putFile(key, localPath);
      const local = await store.openLocal(key);
      expect((await readFile(local.path)).equals(body)).toBe(true);
      await local.release();
      expect(body.equals((await store.read(key)) ?? Buffer.from('none'))).toBe(true);
    });

    test('opening a file that is not there says so', async () => {
      await expect(store.openLocal('files/none')).rejects.toMatchObject({ code: 'LAKE_OBJECT_MISSING' });
    });

    test('a removed object is gone', async () => {
      await store.put('gone/x', bytes('x'));
      await store.remove('gone/x');
      expect(await store.read('gone/x')).toBeUndefined();
      expect(await keys('gone/')).toEqual([]);
    });
  });
}
