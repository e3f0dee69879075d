import { expect, test } from 'vitest';
import { parseReady } from '../../infra/stack/postgresServer.ts';

const pidFile = (status: string) =>
  `4711\n/data\n1795346588\n5433\n\n127.0.0.1\n  5433001    131072\n${status}\n`;

test('the server accepts connections only once its pid file says ready', () => {
  expect(parseReady(pidFile('starting'))).toBe(false);
  expect(parseReady(pidFile('ready   '))).toBe(true);
  expect(parseReady('4711\n/data\n')).toBe(false);
});
