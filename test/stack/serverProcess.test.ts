import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identifyProcess } from '../../infra/stack/processTable.ts';
import { launch, parseLastWords, type ServerCommand } from '../../infra/stack/serverProcess.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tidemark-server-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function shell(script: string, isReady = async () => true): ServerCommand {
  const logFile = join(dir, 'server.log');
  return { name: 'fake', command: 'sh', args: ['-c', script], logFile, stopSignal: 'SIGTERM', isReady };
}

test('a process that ends before it is ready says how and what it logged last', async () => {
  const server = launch(shell('echo no disk; exit 3', async () => false));
  await expect(server.ready).rejects.toMatchObject({
    code: 'STACK_SERVICE_EXITED',
    message: `fake ended with exit code 3 before it was ready: no disk (log: ${server.logFile})`,
  });
});

test('a process that never gets ready is given up in time', async () => {
  await using server = launch(
    shell('exec sleep 60', async () => false),
    { readyWithinMs: 1 },
  );
  await expect(server.ready).rejects.toMatchObject({ code: 'STACK_SERVICE_NOT_READY' });
});

test('a command that is not there is reported as an end, not thrown', async () => {
  const server = launch({ ...shell('', async () => false), command: '/no/such/command' });
  await expect(server.ready).rejects.toMatchObject({ code: 'STACK_SERVICE_EXITED' });
  await server.stop();
});

test('stop ends the children of a process too', async () => {
  const server = launch(
    shell('sleep 60 & echo $!; wait', async () => readFileSync(join(dir, 'server.log')).length > 0),
  );
  await server.ready;
  const grandchild = Number(readFileSync(server.logFile, 'utf8'));
  expect(identifyProcess(grandchild)).toBeDefined();
  await server.stop();
  await expect.poll(() => identifyProcess(grandchild)).toBeUndefined();
});

test('the process yields by as much as asked, beyond what we yield ourselves', async () => {
  await using server = launch(shell('exec sleep 60'), { nice: 10 });
  await expect.poll(() => niceOf(server.pid)).toBe(Math.min(19, niceOf(process.pid) + 10));
});

function niceOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
}

test('last words: a JSON line of ours gives message and remedy, other output stays as it is', () => {
  const line = JSON.stringify({ msg: 'topic was re-created', remedy: 'adopt it' });
  expect(parseLastWords(['x', line])).toBe('topic was re-created; adopt it');
  expect(parseLastWords(['a', 'b'])).toBe('a | b');
  expect(parseLastWords(['{"msg": "cut of'])).toBe('{"msg": "cut of');
});
