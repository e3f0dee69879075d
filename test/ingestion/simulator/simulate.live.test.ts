import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { ensureTopics, fetchTopicStates } from '../../../infra/core/kafka.ts';
import { projectRoot } from '../../support/sourceFiles.ts';

const brokers = [inject('services').kafka];
const topics = ['tx.gaming', 'tx.fintech', 'tx.ecommerce', 'labels'];
const dir = mkdtempSync(join(tmpdir(), 'tidemark-simulate-'));
const env = { ...process.env, TIDEMARK_KAFKA: brokers.join(','), TIDEMARK_HOME: dir };

beforeAll(async () => {
  const config = { 'message.timestamp.type': 'LogAppendTime' };
  await ensureTopics(
    brokers,
    topics.map((topic) => ({ topic, partitions: 12, config })),
  );
  // A new topic has its leaders a moment later.
  await vi.waitFor(extents, { timeout: 30_000, interval: 200 });
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Records that each topic has now; other tests may have written some before. */
async function extents(): Promise<Record<string, number>> {
  const states = await fetchTopicStates(brokers, topics);
  return Object.fromEntries(
    states.map(({ topic, partitions }) => [topic, partitions.reduce((sum, { logEnd }) => sum + logEnd, 0)]),
  );
}

function start(args: readonly string[]) {
  const child = spawn(process.execPath, args, { cwd: projectRoot, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, ended, output: () => output };
}

test('simulate offers its pace to a real broker and reports what the broker has', async () => {
  const before = await extents();
  const report = join(dir, 'truth.json');
  const run = start(
    `infra/cli/main.ts simulate --load normal --duration 6s --fraud-rate 20% --bad 2% --duplicates 2% --json --report ${report}`.split(
      ' ',
    ),
  );
  expect(await run.ended, run.output()).toBe(0);
  const after = await extents();
  const grown = (topic: string) => (after[topic] ?? 0) - (before[topic] ?? 0);
  const told = JSON.parse(readFileSync(report, 'utf8'));
  expect(told).toMatchObject({ errors: 0, error_rate_percent: 0, interrupted: false });
  expect(told.offered).toBeGreaterThan(900);
  expect(told.offered).toBeLessThanOrEqual(1_001);
  expect(told.acknowledged).toBe(told.offered);
  expect(grown('tx.gaming') + grown('tx.fintech') + grown('tx.ecommerce')).toBe(told.offered);
  expect(grown('labels')).toBe(told.labels);
  expect(told.labels).toBeGreaterThan(50);
  expect(told.irregularities.length).toBeGreaterThan(10);
  expect(told.frauds.length).toBeGreaterThan(50);
});

test('Ctrl-C ends a run with what it has done, and exit code 130', async () => {
  const run = start('infra/cli/main.ts simulate --load normal --json'.split(' '));
  const before = await extents();
  await vi.waitFor(async () => expect(await extents()).not.toEqual(before), {
    timeout: 30_000,
    interval: 200,
  });
  run.child.kill('SIGINT');
  expect(await run.ended, run.output()).toBe(130);
  expect(run.output()).toContain('"interrupted":true');
});

test('the demo sends gentle traffic until SIGTERM and then leaves at once with 0', async () => {
  const before = await extents();
  const run = start(['infra/processes/demo.ts']);
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((x, y) => x + y, 0);
  await vi.waitFor(async () => expect(sum(await extents())).toBeGreaterThan(sum(before) + 20), {
    timeout: 30_000,
    interval: 200,
  });
  run.child.kill('SIGTERM');
  expect(await run.ended, run.output()).toBe(0);
  expect(run.output()).toContain('traffic ends');
});

test('a wrong setting is a usage error', async () => {
  const run = start('infra/cli/main.ts simulate --load much'.split(' '));
  expect(await run.ended).toBe(2);
  expect(run.output()).toContain('What it means: events a minute');
});
