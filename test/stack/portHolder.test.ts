import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { freePorts } from '../../infra/stack/freePorts.ts';
import { findListener, portHolder } from '../../infra/stack/portHolder.ts';

const HEADER =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

function row(local: string, state: string, inode: string): string {
  return `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0`;
}

test.each([
  ['loopback', '0100007F:2384', '0A', true],
  ['every IPv4 address', '00000000:2384', '0A', true],
  ['every IPv6 address', '00000000000000000000000000000000:2384', '0A', true],
  ['another address of this machine', '0200A8C0:2384', '0A', false],
  ['a connection, not a listener', '0100007F:2384', '01', false],
  ['another port', '0100007F:2385', '0A', false],
])('a table row for %s', (_case, local, state, clashes) => {
  const found = findListener(`${HEADER}\n${row(local, state, '4711')}`, 9092);
  expect(found).toEqual(clashes ? { inode: '4711', uid: 1000 } : undefined);
});

test('a held port names the process that holds it, and a free one nobody', async () => {
  const [port = 0] = await freePorts(1);
  expect(portHolder(port)).toBeUndefined();
  const server = createServer();
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  expect(portHolder(port)).toContain(`process ${process.pid} (`);
  await new Promise((closed) => server.close(closed));
});
