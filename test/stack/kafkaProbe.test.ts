import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { answersMetadata, liveBrokers, metadataRequest } from '../../infra/stack/kafkaProbe.ts';

/** A server that answers each request with `brokers` in its broker array, in two pieces. */
async function fakeBroker(brokers: number) {
  const server = createServer((socket) => {
    socket.once('data', () => {
      const frame = Buffer.alloc(12);
      frame.writeInt32BE(8, 0);
      frame.writeInt32BE(1, 4);
      frame.writeInt32BE(brokers, 8);
      socket.write(frame.subarray(0, 3), () => socket.end(frame.subarray(3)));
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as { port: number };
  return { port, [Symbol.asyncDispose]: () => new Promise<void>((done) => server.close(() => done())) };
}

test('a broker is ready when it names a live broker, and not while it is still fenced', async () => {
  await using ready = await fakeBroker(1);
  await using fenced = await fakeBroker(0);
  expect(await answersMetadata('127.0.0.1', ready.port)).toBe(true);
  expect(await answersMetadata('127.0.0.1', fenced.port)).toBe(false);
});

test('nobody there, or somebody who says nothing: not ready', async () => {
  const silent = createServer((socket) => socket.resume());
  await new Promise<void>((listening) => silent.listen(0, '127.0.0.1', listening));
  const { port } = silent.address() as { port: number };
  expect(await answersMetadata('127.0.0.1', port, 50)).toBe(false);
  await new Promise((closed) => silent.close(closed));
  expect(await answersMetadata('127.0.0.1', port)).toBe(false);
});

test('the request is a Metadata request, version 1, of its announced length', () => {
  const request = metadataRequest();
  expect([request.readInt32BE(0), request.readInt16BE(4), request.readInt16BE(6)]).toEqual([
    request.length - 4,
    3,
    1,
  ]);
  expect(liveBrokers(Buffer.alloc(2))).toBe(0);
});
