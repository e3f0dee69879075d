import { connect, type Socket } from 'node:net';

/**
 * Whether the broker at `port` serves clients: it answers a Metadata request (API key 3, version 1,
 * no topics) with at least one live broker. A KRaft broker listens before it is unfenced, so an open
 * port says nothing. Spoken by hand because a client library retries, logs and caches.
 *
 * @see https://kafka.apache.org/protocol#The_Messages_Metadata
 */
export async function answersMetadata(host: string, port: number, withinMs = 1_000): Promise<boolean> {
  const answer = await exchange({ host, port, withinMs }, metadataRequest());
  return answer !== undefined && liveBrokers(answer) > 0;
}

/** The request with its length in front. Pure. */
export function metadataRequest(): Buffer {
  const clientId = Buffer.from('tidemark-probe');
  const body = Buffer.alloc(2 + 2 + 4 + 2 + clientId.length + 4);
  body.writeInt16BE(3, 0); // api key: Metadata
  body.writeInt16BE(1, 2); // api version
  body.writeInt32BE(1, 4); // correlation id
  body.writeInt16BE(clientId.length, 8);
  clientId.copy(body, 10);
  body.writeInt32BE(0, 10 + clientId.length); // no topics
  const frame = Buffer.alloc(4);
  frame.writeInt32BE(body.length, 0);
  return Buffer.concat([frame, body]);
}

/** Number of brokers in an answer without its length: correlation id, then the array's size. Pure. */
export function liveBrokers(answer: Buffer): number {
  return answer.length < 8 ? 0 : answer.readInt32BE(4);
}

// === Helpers ===

interface Address {
  readonly host: string;
  readonly port: number;
  readonly withinMs: number;
}

/** One request, one answer without its length; undefined when there was none in time. */
async function exchange({ host, port, withinMs }: Address, request: Buffer): Promise<Buffer | undefined> {
  const socket = connect({ host, port, timeout: withinMs });
  try {
    return await readFrame(socket, request);
  } finally {
    socket.destroy();
  }
}

function readFrame(socket: Socket, request: Buffer): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    let received: Buffer = Buffer.alloc(0);
    socket.once('connect', () => socket.write(request));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4) return;
      const end = 4 + received.readInt32BE(0);
      if (received.length >= end) resolve(received.subarray(4, end));
    });
    for (const event of ['error', 'timeout', 'close'] as const) socket.once(event, () => resolve(undefined));
  });
}
