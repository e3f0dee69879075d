import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePorts } from '../../infra/stack/freePorts.ts';
import type { StackReport } from '../../infra/stack/processReport.ts';
import {
  findByEnvironment,
  findByWorkingDirectory,
  identifyProcess,
} from '../../infra/stack/processTable.ts';
import { stackPaths } from '../../infra/stack/stackPaths.ts';

/** One stack of its own, brought through its life by these tests in their order. */
const home = mkdtempSync(join(tmpdir(), 'tidemark-up-'));
const env: Record<string, string> = { TIDEMARK_HOME: home, TIDEMARK_DEMO: 'off' };

beforeAll(async () => {
  const [kafka, controller, postgres] = await freePorts(3);
  env['TIDEMARK_KAFKA_PORT'] = String(kafka);
  env['TIDEMARK_KAFKA_CONTROLLER_PORT'] = String(controller);
  env['TIDEMARK_POSTGRES_PORT'] = String(postgres);
});

afterAll(() => {
  tidemark('down');
  rmSync(home, { recursive: true, force: true });
});

function tidemark(...args: string[]) {
  const main = join(import.meta.dirname, '..', '..', 'infra', 'cli', 'main.ts');
  return spawnSync(process.execPath, [main, ...args], { env: { ...process.env, ...env }, encoding: 'utf8' });
}

function ps(): StackReport {
  return JSON.parse(tidemark('ps', '--json').stdout) as StackReport;
}

function pids(report: StackReport): Record<string, number | null> {
  const processes = report.processes.map(({ name, pid }) => [name, pid]);
  return { supervisor: report.supervisor_pid, ...Object.fromEntries(processes) };
}

/** Everything of this stack that lives, found without the state file. */
function survivors(): number[] {
  const dataDir = join(stackPaths(home).postgresDir, 'data');
  return [...findByEnvironment('TIDEMARK_STACK', home), ...findByWorkingDirectory(dataDir)];
}

test('a busy port: up names the process that holds it and the setting, and leaves nothing running', async () => {
  const server = createServer();
  const port = Number(env['TIDEMARK_KAFKA_PORT']);
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  const up = tidemark('up');
  await new Promise((closed) => server.close(closed));
  expect(up.status).toBe(1);
  expect(up.stderr).toContain(`port ${port} (TIDEMARK_KAFKA_PORT): process ${process.pid} (`);
  expect(survivors()).toEqual([]);
  expect(ps().status).toBe('down');
});

test('up brings every process up and says where it is', () => {
  const up = tidemark('up');
  expect(up.stderr).toContain('kafka runs');
  expect(up.status).toBe(0);
  expect(up.stdout).toContain(`127.0.0.1:${env['TIDEMARK_KAFKA_PORT']}`);
  expect(ps().processes.map(({ name, status, restarts }) => [name, status, restarts])).toEqual([
    ['kafka', 'running', 0],
    ['postgres', 'running', 0],
    ['ingest', 'running', 0],
    ['score', 'running', 0],
    ['jobs', 'running', 0],
  ]);
});

test('up again changes nothing', () => {
  const before = pids(ps());
  expect(tidemark('up').status).toBe(0);
  expect(pids(ps())).toEqual(before);
});

test('a killed broker comes back under the same address, the others are not touched', async () => {
  const before = pids(ps());
  process.kill(before['kafka'] ?? 0, 'SIGKILL');
  await expect.poll(() => ps().processes[0]?.restarts, { timeout: 30_000 }).toBe(1);
  await expect.poll(() => ps().status, { timeout: 60_000 }).toBe('up');
  const after = pids(ps());
  expect(after['kafka']).not.toBe(before['kafka']);
  expect([after['postgres'], after['supervisor']]).toEqual([before['postgres'], before['supervisor']]);
});

test('after a kill of the supervisor its processes go on, and up replaces all of them', () => {
  const before = pids(ps());
  process.kill(before['supervisor'] ?? 0, 'SIGKILL');
  expect(ps().status).toBe('down');
  expect(identifyProcess(before['kafka'] ?? 0)).toBeDefined();
  expect(tidemark('up').status).toBe(0);
  expect(ps().status).toBe('up');
  for (const pid of Object.values(before)) expect(identifyProcess(pid ?? 0)).toBeUndefined();
});

test('up with other settings restarts the stack with them', () => {
  const before = pids(ps());
  env['TIDEMARK_FLUSH_INTERVAL'] = '4s';
  const up = tidemark('up');
  expect([up.status, up.stderr]).toEqual([0, expect.stringContaining('other settings')]);
  expect(pids(ps())['supervisor']).not.toBe(before['supervisor']);
});

test('down stops everything of a stack whose supervisor was killed, and again does nothing', () => {
  process.kill(ps().supervisor_pid ?? 0, 'SIGKILL');
  expect(survivors()).not.toEqual([]);
  expect(tidemark('down').stderr).toContain('the stack is down');
  expect(survivors()).toEqual([]);
  expect(tidemark('down').stderr).toContain('nothing was running');
});

test('clean removes the data and keeps the cache', () => {
  mkdirSync(stackPaths(home).historyDir, { recursive: true });
  writeFileSync(join(stackPaths(home).historyDir, 'x'), '');
  expect(tidemark('clean').status).toBe(0);
  const { cacheDir, kafkaDir, historyDir } = stackPaths(home);
  expect([cacheDir, kafkaDir, join(historyDir, 'x')].map((path) => existsSync(path))).toEqual([
    true,
    false,
    true,
  ]);
});
