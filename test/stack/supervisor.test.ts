import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../infra/core/clock.ts';
import type { Logger } from '../../infra/core/ports.ts';
import { freePorts } from '../../infra/stack/freePorts.ts';
import { stopOrphans } from '../../infra/stack/orphans.ts';
import type { ProcessSpec } from '../../infra/stack/processSpec.ts';
import { findByEnvironment, identifyProcess } from '../../infra/stack/processTable.ts';
import { logFileOf, stackPaths } from '../../infra/stack/stackPaths.ts';
import { type ProcessState, readStackState } from '../../infra/stack/stackState.ts';
import { supervise } from '../../infra/stack/supervisor.ts';
import { takeSupervisorLock } from '../../infra/stack/supervisorLock.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const fast = { firstDelayMs: 10, maxDelayMs: 20, healthyAfterMs: 60_000 };

let home = '';
let running: Promise<void> | undefined;
let controller = new AbortController();
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tidemark-supervisor-'));
  controller = new AbortController();
});
afterEach(async () => {
  controller.abort();
  await running;
  // A killed child is seen in /proc until the kernel has taken it away.
  await expect.poll(() => findByEnvironment('TIDEMARK_STACK', home)).toEqual([]);
  rmSync(home, { recursive: true });
});

/** A process that appends `<name> start` and `<name> stop` to the file `story`, and then sleeps. */
function storyteller(name: string, change: Partial<ProcessSpec> = {}): ProcessSpec {
  const script = `echo ${name} start >>story; trap 'echo ${name} stop >>story; exit 0' TERM; sleep 600 & wait`;
  return shellProcess(name, script, change);
}

function shellProcess(name: string, script: string, change: Partial<ProcessSpec> = {}): ProcessSpec {
  const logFile = logFileOf(stackPaths(home), name);
  return {
    ...{ name, nice: 0, needs: [], ports: [], where: 'test', logFile },
    command: () => ({
      ...{ name, command: 'sh', args: ['-c', script], cwd: home, logFile, stopSignal: 'SIGTERM' as const },
      isReady: async () => story().includes(`${name} start`),
    }),
    ...change,
  };
}

function run(...specs: ProcessSpec[]): void {
  const { stateFile } = stackPaths(home);
  const deps = { specs, homeDir: home, stateFile, settings: 's', clock: systemClock, log: quiet };
  running = supervise({ ...deps, restartPolicy: fast }, { signal: controller.signal });
}

const story = () => (existsSync(join(home, 'story')) ? readFileSync(join(home, 'story'), 'utf8') : '');

function state(name: string): ProcessState | undefined {
  return readStackState(stackPaths(home).stateFile)?.processes.find((process) => process.name === name);
}

test('processes start when what they need is ready, and stop in the opposite order', async () => {
  run(storyteller('c', { needs: ['b'] }), storyteller('a'), storyteller('b', { needs: ['a'] }));
  await expect.poll(() => state('c')?.status).toBe('running');
  controller.abort();
  await running;
  expect(story().trim().split('\n')).toEqual([
    ...['a start', 'b start', 'c start'],
    ...['c stop', 'b stop', 'a stop'],
  ]);
  expect(['a', 'b', 'c'].map((name) => state(name)?.status)).toEqual(['stopped', 'stopped', 'stopped']);
});

test('a process that is killed is started again under a new pid, its neighbours stay', async () => {
  run(storyteller('a'), storyteller('b'));
  await expect.poll(() => [state('a')?.status, state('b')?.status]).toEqual(['running', 'running']);
  const [before, neighbour] = [state('a')?.identity, state('b')?.identity];
  process.kill(before?.pid ?? 0, 'SIGKILL');
  await expect.poll(() => [state('a')?.status, state('a')?.restarts]).toEqual(['running', 1]);
  expect(state('a')?.identity?.pid).not.toBe(before?.pid);
  expect(state('a')?.problem?.message).toContain('it ended with SIGKILL');
  expect(state('b')?.identity).toEqual(neighbour);
});

test('a process that fails at each start is tried again and again, with its last words shown', async () => {
  run(shellProcess('bad', 'echo the disk is full; exit 1'));
  await expect.poll(() => state('bad')?.restarts).toBeGreaterThan(2);
  expect(state('bad')?.problem).toMatchObject({ code: 'STACK_SERVICE_EXITED' });
  expect(state('bad')?.problem?.message).toContain('the disk is full');
});

test('a held-back process says so and starts when the file is gone', async () => {
  const gate = join(home, 'gate');
  writeFileSync(gate, '');
  run(storyteller('a', { heldBackBy: gate }));
  await expect.poll(() => state('a')?.problem?.message).toMatch(/waits for the first history/);
  expect(state('a')?.status).toBe('waiting');
  rmSync(gate);
  await expect.poll(() => state('a')?.status).toBe('running');
  expect(state('a')?.problem).toBeUndefined();
});

test('a busy port is named with its holder and its setting, and is taken once it is free', async () => {
  const [port = 0] = await freePorts(1);
  const server = createServer();
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  run(storyteller('a', { ports: [{ port, setting: 'SOME_PORT' }] }));
  await expect.poll(() => state('a')?.problem?.code).toBe('STACK_PORT_BUSY');
  expect(state('a')?.problem?.message).toContain(`port ${port} (SOME_PORT): process ${process.pid} (`);
  expect(state('a')?.problem?.remedy).toContain('SOME_PORT');
  expect(story()).toBe('');
  await new Promise((closed) => server.close(closed));
  await expect.poll(() => state('a')?.status).toBe('running');
});

test('what belongs to this home is stopped after the supervisor is gone, other homes are spared', async () => {
  run(storyteller('a'));
  await expect.poll(() => state('a')?.status).toBe('running');
  const { pid = 0 } = state('a')?.identity ?? {};
  expect(await stopOrphans(stackPaths(`${home}-other`))).toEqual([]);
  expect(await stopOrphans(stackPaths(home), [])).toContain(pid);
  expect(identifyProcess(pid)).toBeUndefined();
});

test('one supervisor a home: the second is told so, and a released lock is free again', async () => {
  const first = await takeSupervisorLock(home);
  expect(first.kind).toBe('taken');
  expect((await takeSupervisorLock(home)).kind).toBe('held');
  expect((await takeSupervisorLock(`${home}-other`)).kind).toBe('taken');
  if (first.kind === 'taken') await first.lock[Symbol.asyncDispose]();
  expect((await takeSupervisorLock(home)).kind).toBe('taken');
});
