import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test, vi } from 'vitest';
import {
  findByEnvironment,
  findByWorkingDirectory,
  identifyProcess,
  isAlive,
  parseStartTicks,
} from '../../infra/stack/processTable.ts';

const REST = '1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1000 200';

test('start ticks are found behind a command name with spaces and parentheses', () => {
  expect(parseStartTicks(`42 (a) b (c)) S ${REST}`)).toBe('987654');
});

test('a zombie is no live process', () => {
  expect(parseStartTicks(`42 (node) Z ${REST}`)).toBeUndefined();
});

test('a pid that began at another time is another process', () => {
  const self = identifyProcess(process.pid)!;
  expect(isAlive(self)).toBe(true);
  expect(isAlive({ ...self, startedAt: `${self.startedAt}0` })).toBe(false);
});

test('a process is found by its whole environment entry and by its directory while it lives', async () => {
  const marker = `tidemark-${process.pid}`;
  const child = spawn('sleep', ['60'], { env: { ...process.env, MARKER: marker }, cwd: '/proc' });
  await vi.waitFor(() => expect(findByEnvironment('MARKER', marker)).toEqual([child.pid]));
  expect(findByEnvironment('MARKER', marker.slice(0, -1))).toEqual([]);
  expect(findByWorkingDirectory('/proc')).toContain(child.pid);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(findByEnvironment('MARKER', marker)).toEqual([]);
});
