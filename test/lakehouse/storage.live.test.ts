import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, inject, test, vi } from 'vitest';
import { systemClock } from '../../infra/core/clock.ts';
import { createBucket, createS3Store } from '../../lakehouse/s3Storage.ts';
import { openTable } from '../../lakehouse/table.ts';
import { describeStorage } from './storageConformance.ts';
import { appendIds, createDays, openTestLake, readIds } from './support.ts';

interface S3 {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

const minioBinary = process.env['TIDEMARK_MINIO'] ?? spawnSync('which', ['minio']).stdout.toString().trim();
const hasMinio = minioBinary !== '' && existsSync(minioBinary);

describeStorage('S3 (versitygw)', () => openBucket(inject('services').s3));

if (hasMinio) {
  let minio: ChildProcess | undefined;
  afterAll(() => minio?.kill());
  describeStorage('S3 (MinIO)', async () => {
    const started = await startMinio(minioBinary);
    minio = started.child;
    return openBucket(started.s3);
  });
} else {
  test.skip('S3 (MinIO): no binary on PATH and none named by TIDEMARK_MINIO');
}

test('a table in S3 is written by one process and read by another, which caches its files', async () => {
  const { store, dispose, reopen } = await openBucket(inject('services').s3);
  await using lake = await openTestLake(store, systemClock);
  const table = await createDays(lake);
  for (let i = 1; i <= 12; i += 1) await appendIds(lake, table, { ids: [i] });
  await using other = await openTestLake(await reopen(), systemClock);
  const theirs = await openTable(other, 'bronze.days');
  const expected = Array.from({ length: 12 }, (_, i) => i + 1);
  expect(await readIds(other, await theirs!.snapshot())).toEqual(expected);
  await dispose();
});

test('a server that is not there is an error of the store, not a result', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-s3-'));
  let nowMs = 0;
  const clock = {
    nowMs: () => nowMs,
    sleep: async (ms: number) => {
      nowMs += ms;
    },
  };
  const store = await createS3Store({
    bucket: 'none',
    prefix: 'p',
    endpoint: `http://127.0.0.1:${await freePort()}`,
    region: 'us-east-1',
    accessKeyId: 'k',
    secretAccessKey: 's',
    cacheDir: directory,
    cacheBytes: 2 ** 20,
    clock,
  });
  await expect(store.read('x')).rejects.toMatchObject({ code: 'LAKE_STORE_UNAVAILABLE' });
  expect(nowMs).toBeGreaterThan(30_000);
  expect(await store.putIfAbsent('x', new Uint8Array())).toBe('unknown');
  await rm(directory, { recursive: true, force: true });
});

/** A fresh bucket with a prefix; `reopen` gives a second client with an empty cache. */
async function openBucket(s3: S3) {
  const bucket = `lake-${randomUUID()}`;
  await createBucket(s3, bucket);
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-s3-'));
  const reopen = () =>
    createS3Store({
      ...s3,
      bucket,
      prefix: 'some/prefix',
      cacheDir: join(directory, randomUUID()),
      cacheBytes: 64 * 2 ** 20,
      clock: systemClock,
    });
  return { store: await reopen(), reopen, dispose: () => rm(directory, { recursive: true, force: true }) };
}

async function startMinio(binary: string): Promise<{ child: ChildProcess; s3: S3 }> {
  const directory = await mkdtemp(join(tmpdir(), 'tidemark-minio-'));
  await mkdir(join(directory, 'data'));
  const [port, consolePort] = [await freePort(), await freePort()];
  const endpoint = `http://127.0.0.1:${port}`;
  const addresses = ['--address', `127.0.0.1:${port}`, '--console-address', `127.0.0.1:${consolePort}`];
  const env = { ...process.env, MINIO_ROOT_USER: 'tidemark', MINIO_ROOT_PASSWORD: 'tidemark-secret' };
  const child = spawn(binary, ['server', ...addresses, join(directory, 'data')], { env, stdio: 'ignore' });
  child.once('exit', () => void rm(directory, { recursive: true, force: true }));
  await vi.waitFor(async () => expect((await fetch(`${endpoint}/minio/health/ready`)).ok).toBe(true), 20_000);
  return {
    child,
    s3: { endpoint, accessKeyId: 'tidemark', secretAccessKey: 'tidemark-secret', region: 'us-east-1' },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
