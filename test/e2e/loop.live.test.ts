import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePorts } from '../../infra/stack/freePorts.ts';
import type { StackReport } from '../../infra/stack/processReport.ts';
import { stackPaths } from '../../infra/stack/stackPaths.ts';

/**
 * A stack with the demo through its first minutes, by its commands alone: history, a model trained on it,
 * decisions, alerts, a verdict that becomes a label. Its first `up` is killed half-way.
 */
const home = mkdtempSync(join(tmpdir(), 'tidemark-loop-'));
const env: Record<string, string | undefined> = {
  ...process.env,
  TIDEMARK_HOME: home,
  TIDEMARK_SCHEDULE: '10s',
};
const main = join(import.meta.dirname, '..', '..', 'infra', 'cli', 'main.ts');

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
  return spawnSync(process.execPath, [main, ...args], { env, encoding: 'utf8' });
}

function json<T>(...args: string[]): T {
  const { stdout, stderr, status } = tidemark(...args, '--json');
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

function count(query: string): number {
  const [row] = json<{ n: number }[]>('sql', `select count(*) as n from ${query}`);
  return Number(row?.n);
}

function statuses(): Record<string, string> {
  const report = JSON.parse(tidemark('ps', '--json').stdout) as StackReport;
  return Object.fromEntries(report.processes.map(({ name, status }) => [name, status]));
}

test('an up that is killed while history lands holds jobs and traffic back; the next one finishes it', async () => {
  const first = spawn(process.execPath, [main, 'up'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  first.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await expect.poll(() => said, { timeout: 90_000 }).toMatch(/history of \S+ landed/);
  first.kill('SIGKILL');
  expect(existsSync(stackPaths(home).seedingFile)).toBe(true);
  expect(statuses()).toMatchObject({ ingest: 'running', jobs: 'waiting', score: 'waiting' });

  const second = tidemark('up');
  expect(second.stderr).toContain('feature marts built');
  expect(second.stderr).toContain('its gates passed');
  expect(second.status).toBe(0);
  expect(existsSync(stackPaths(home).seedingFile)).toBe(false);
  const names = ['kafka', 'postgres', 'ingest', 'score', 'jobs', 'demo'];
  const running = names.map((name) => [name, 'running']);
  expect(statuses()).toEqual(Object.fromEntries(running));

  // Landed once, from one file, whatever the first `up` had done when it was killed.
  expect(json('sql', DOUBLED)).toEqual([{ files: 1, doubled: 0 }]);
});

const DOUBLED = `select count(distinct _topic_id) as files,
    count(*) - count(distinct (_topic_id, _partition, _offset)) as doubled
  from bronze.labels`;

test('the model that was trained on the history decides live events', async () => {
  const { champion } = json<{ champion: string }>('models', 'list');
  const decided = `bronze.decisions where model_version = '${champion}'`;
  await expect.poll(() => count(decided), { timeout: 60_000, interval: 2_000 }).toBeGreaterThan(0);
});

test('10,000 vectors as seen are those that SQL derives from bronze; every record has one decision', async () => {
  const traffic = tidemark(...'simulate --rate 30000 --duration 30s --late 5% --bad 1% --json'.split(' '));
  expect(traffic.status, traffic.stderr).toBe(0);
  const decided = () => count('bronze.decisions where vector is not null');
  await expect.poll(decided, { timeout: 60_000, interval: 2_000 }).toBeGreaterThan(10_000);
  const parity = json<Parity>('features', 'parity', '--last', '20000');
  const vectors = parity.sources.reduce((sum, source) => sum + source.vectors, 0);
  expect(vectors).toBeGreaterThanOrEqual(10_000);
  expect(parity.equal).toBe(true);
  expect(tidemark('verify').status).toBe(0);
});

test('an alert is judged by a person, and the verdict is a label', async () => {
  await expect.poll(() => openAlerts().length, { timeout: 30_000 }).toBeGreaterThan(0);
  const [alert] = openAlerts();
  const judged = tidemark('alerts', 'verdict', alert?.id ?? '', 'legitimate', '--by', 'a test');
  expect(judged.status, judged.stderr).toBe(0);
  const verdicts = () => count(`silver.labels where source = 'verdict'`);
  await expect.poll(verdicts, { timeout: 90_000, interval: 2_000 }).toBeGreaterThan(0);
});

interface Parity {
  readonly equal: boolean;
  readonly sources: readonly { readonly vectors: number }[];
}

function openAlerts(): { id: string }[] {
  return json('alerts', 'list', '--state', 'open');
}
