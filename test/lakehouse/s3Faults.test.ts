import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createS3Store } from '../../lakehouse/s3Storage.ts';
import { steppingClock } from './support.ts';

/** One answer of the server: a status with a body, a cut connection, or a body that ends too early. */
type Answer = number | 'reset' | 'truncated';

const BODY = 'x'.repeat(10_000);

test.each<[string, Answer, string]>([
  ['200', 200, 'created'],
  ['412: somebody has it', 412, 'exists'],
  ['409: undecided', 409, 'unknown'],
  ['503: slow down', 503, 'unknown'],
  ['500', 500, 'unknown'],
  ['a connection that breaks', 'reset', 'unknown'],
])('a conditional put is sent once and answers what is known: %s', async (_, answer, expected) => {
  await using server = await scriptedServer([answer]);
  expect(await server.store.putIfAbsent('k', Buffer.from('body'))).toBe(expected);
  expect(server.requests).toEqual(['PUT /bucket/p/k if-none-match=*']);
});

test('a conditional put that is forbidden is an error, not a result', async () => {
  await using server = await scriptedServer([403]);
  await expect(server.store.putIfAbsent('k', Buffer.from('x'))).rejects.toMatchObject({
    code: 'LAKE_STORE_UNAVAILABLE',
  });
});

test('a read is tried again after 503, a broken connection and a truncated body; no part of one is seen', async () => {
  await using server = await scriptedServer([503, 'reset', 'truncated', 200]);
  expect(Buffer.from((await server.store.read('k'))!).toString()).toBe(BODY);
  expect(server.requests).toHaveLength(4);
});

test('a download that breaks is tried again, and only a whole file enters the cache', async () => {
  await using server = await scriptedServer(['truncated', 'reset', 200]);
  const local = await server.store.openLocal('data.parquet');
  expect(await readFile(local.path, 'utf8')).toBe(BODY);
  await local.release();
  await (await server.store.openLocal('data.parquet')).release();
  expect(server.requests).toHaveLength(3);
});

test('a read that is refused is not tried again; a missing object is undefined', async () => {
  await using refused = await scriptedServer([403]);
  await expect(refused.store.read('k')).rejects.toMatchObject({ code: 'LAKE_STORE_UNAVAILABLE' });
  expect(refused.requests).toHaveLength(1);
  await using missing = await scriptedServer([404]);
  expect(await missing.store.read('k')).toBeUndefined();
});

test('errors without end stop at the time budget', async () => {
  await using server = await scriptedServer([]);
  const startMs = server.clock.nowMs();
  await expect(server.store.read('k')).rejects.toMatchObject({
    code: 'LAKE_STORE_UNAVAILABLE',
    retry: 'backoff',
  });
  expect(server.clock.nowMs() - startMs).toBeLessThan(65_000);
});

/** A server that answers by script (then 503 for ever), and a store on it whose clock only steps. */
async function scriptedServer(script: Answer[]) {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const condition = request.headers['if-none-match'];
    requests.push(
      `${request.method} ${request.url?.split('?')[0]}${condition ? ` if-none-match=${condition}` : ''}`,
    );
    request.resume();
    request.once('end', () => answerWith(response, script.shift() ?? 503));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cacheDir = await mkdtemp(join(tmpdir(), 'tidemark-s3-faults-'));
  const clock = steppingClock();
  const store = await createS3Store({
    bucket: 'bucket',
    prefix: 'p',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    accessKeyId: 'key',
    secretAccessKey: 'secret',
    cacheDir,
    cacheBytes: 2 ** 20,
    clock,
  });
  return {
    store,
    clock,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(cacheDir, { recursive: true, force: true });
    },
  };
}

const CODES: Readonly<Record<number, string>> = {
  403: 'AccessDenied',
  404: 'NoSuchKey',
  409: 'ConditionalRequestConflict',
  412: 'PreconditionFailed',
  500: 'InternalError',
  503: 'SlowDown',
};

function answerWith(response: ServerResponse, answer: Answer): void {
  if (answer === 'reset') {
    response.destroy();
  } else if (answer === 'truncated') {
    response.writeHead(200, { 'content-length': BODY.length });
    response.write(BODY.slice(0, 5_000), () => response.destroy());
  } else if (answer === 200) {
    response.writeHead(200, { 'content-length': BODY.length });
    response.end(BODY);
  } else {
    const xml = `<?xml version="1.0"?><Error><Code>${CODES[answer]}</Code><Message>scripted</Message></Error>`;
    response.writeHead(answer, { 'content-type': 'application/xml' });
    response.end(xml);
  }
}
