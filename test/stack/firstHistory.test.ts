import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { fault } from '../../infra/core/errorCatalog.ts';
import { runCli } from '../../infra/stack/cliChild.ts';
import { beginSeeding, trainFirstModel } from '../../infra/stack/firstHistory.ts';
import { stackPaths } from '../../infra/stack/stackPaths.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tidemark-seeding-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const configOf = (demo: 'on' | 'off') => loadConfig({ TIDEMARK_HOME: home, TIDEMARK_DEMO: demo });
const marked = () => existsSync(stackPaths(home).seedingFile);

function putSomethingInTheLake(): void {
  mkdirSync(join(home, 'lake', 'bronze', 't', '_delta_log'), { recursive: true });
  writeFileSync(join(home, 'lake', 'bronze', 't', '_delta_log', `${'0'.repeat(20)}.json`), '{}');
}

test('an empty lake gets a first history, once it has landed it does not get another', async () => {
  expect(await beginSeeding(configOf('on'), { mayBegin: true })).toBe(true);
  expect(marked()).toBe(true);
  putSomethingInTheLake();
  rmSync(stackPaths(home).seedingFile);
  expect(await beginSeeding(configOf('on'), { mayBegin: true })).toBe(false);
});

test('an interrupted first history is gone on with, although the lake is not empty any more', async () => {
  await beginSeeding(configOf('on'), { mayBegin: true });
  putSomethingInTheLake();
  expect(await beginSeeding(configOf('on'), { mayBegin: false })).toBe(true);
});

test('no history beside a stack that already runs, and none without the demo, which also ends the waiting', async () => {
  expect(await beginSeeding(configOf('on'), { mayBegin: false })).toBe(false);
  await beginSeeding(configOf('on'), { mayBegin: true });
  expect(await beginSeeding(configOf('off'), { mayBegin: true })).toBe(false);
  expect(marked()).toBe(false);
});

test('a step that fails says which command failed and the end of what it wrote', async () => {
  const step = runCli(['logs', 'no-such-log'], AbortSignal.timeout(20_000));
  await expect(step).rejects.toMatchObject({
    code: 'STACK_STEP_FAILED',
    message: expect.stringMatching(
      /'tidemark logs no-such-log' ended with exit code 1: .*no log no-such-log/s,
    ),
  });
});

/** What `up` says about a training whose command prints this, or fails with it. */
async function saidOf(told: object | Error): Promise<string> {
  const said: string[] = [];
  const train = async () => {
    if (told instanceof Error) throw told;
    const validation = { prevalence: 0.02, model: { averagePrecision: 0.5 } };
    return JSON.stringify({ reason: 'because', card: { version: 'v2', validation }, ...told });
  };
  await trainFirstModel((line) => said.push(line), new AbortController().signal, train);
  return said.join('\n');
}

test('a first training that fails leaves a stack that reviews everything, and says how to go on', async () => {
  const failed = fault('STACK_STEP_FAILED', {
    command: 'tidemark train',
    outcome: 'exit code 1',
    tail: 'no room',
  });
  expect(await saidOf(failed)).toMatch(
    /NOT trained.*every decision will be a review.*no room.*tidemark train/s,
  );
  await expect(saidOf(new Error('a bug'))).rejects.toThrow('a bug');
});

test('an interrupt during the first training is no training that failed', async () => {
  const interrupted = AbortSignal.abort();
  const train = async () => {
    throw fault('STACK_STEP_FAILED', { command: 'tidemark train', outcome: 'SIGTERM', tail: '' });
  };
  await expect(trainFirstModel(() => {}, interrupted, train)).rejects.toMatchObject({ name: 'AbortError' });
});

test('who decides is said as it is, also when an interrupted up had promoted the model already', async () => {
  expect(await saidOf({ promoted: true, champion: 'v2' })).toContain('it is the champion');
  const again = await saidOf({ promoted: false, champion: 'v2' });
  expect(again).toContain('it is the champion');
  expect(again).not.toContain('review');
  expect(await saidOf({ promoted: false, champion: 'v1' })).toMatch(
    /NOT promoted, v1 goes on deciding: because/,
  );
  expect(await saidOf({ promoted: false })).toContain(
    'NOT promoted, so every decision will be a review: because',
  );
});
