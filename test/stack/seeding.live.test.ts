import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePorts } from '../../infra/stack/freePorts.ts';
import type { StackReport } from '../../infra/stack/processReport.ts';
import { stackPaths } from '../../infra/stack/stackPaths.ts';

/** A stack with the demo, whose first `up` is killed half-way. */
const home = mkdtempSync(join(tmpdir(), 'tidemark-seeding-'));
const env: Record<string, string | undefined> = { ...process.env, TIDEMARK_HOME: home };
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
  expect(statuses()).toMatchObject({ ingest: 'running', jobs: 'waiting', demo: 'waiting' });

  const second = tidemark('up');
  expect(second.stderr).toContain('silver and gold built');
  expect(second.status).toBe(0);
  expect(existsSync(stackPaths(home).seedingFile)).toBe(false);
  const running = ['kafka', 'postgres', 'ingest', 'jobs', 'demo'].map((name) => [name, 'running']);
  expect(statuses()).toEqual(Object.fromEntries(running));

  // Landed once, from one file, whatever the first `up` had done when it was killed.
  const doubled = tidemark('sql', '--json', DOUBLED);
  expect(JSON.parse(doubled.stdout)).toEqual([{ files: 1, doubled: 0 }]);
});

const DOUBLED = `select count(distinct _topic_id) as files,
    count(*) - count(distinct (_topic_id, _partition, _offset)) as doubled
  from bronze.labels`;
