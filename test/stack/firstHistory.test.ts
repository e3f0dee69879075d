import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { runCli } from '../../infra/stack/cliChild.ts';
import { beginSeeding } from '../../infra/stack/firstHistory.ts';
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
