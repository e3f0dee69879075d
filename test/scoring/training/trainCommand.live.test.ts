import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

/** The way of a model by commands alone: history, land, run, train, promote, roll back. No broker is needed. */
const home = mkdtempSync(join(tmpdir(), 'tidemark-train-'));
const main = join(import.meta.dirname, '..', '..', '..', 'infra', 'cli', 'main.ts');
const userNameFile = join(import.meta.dirname, '..', '..', '..', 'infra', 'core', 'userName.ts');
const env = { ...process.env, TIDEMARK_HOME: home, TIDEMARK_KAFKA: '127.0.0.1:9' };

afterAll(() => rmSync(home, { recursive: true, force: true }));

function tidemark(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { env, encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('a lake without a release cannot be trained on, and says what to do', () => {
  const { status, stderr } = tidemark('train');
  expect(status).toBe(1);
  expect(stderr).toContain('TRAINING_NO_RELEASE');
  expect(stderr).toContain('tidemark run');
  const { stdout } = tidemark('models', 'list', '--json');
  expect(JSON.parse(stdout)).toEqual({ champion: null, challenger: null, models: [] });
});

test.runIf(process.getuid?.() === 0)('a user whom the machine does not know can run commands', () => {
  const asStranger = ['--reuid', '54321', '--regid', '54321', '--clear-groups', process.execPath];
  const code = `import { userName } from ${JSON.stringify(userNameFile)}; console.log(userName());`;
  const told = spawnSync('setpriv', [...asStranger, '--input-type=module', '-e', code], { encoding: 'utf8' });
  expect(told.stdout, told.stderr).toBe('uid 54321\n');
});

test('from a landed history to a model in the registry; a model whose gates failed is not promoted', () => {
  const dir = join(home, 'history');
  const history = tidemark(
    ...['simulate', '--history', dir, '--actors', '30', '--fraud-rate', '6%', '--json'],
  );
  const { files } = JSON.parse(history.stdout) as { files: { topic: string; path: string }[] };
  for (const { topic, path } of files)
    expect(tidemark('land', '--from', path, '--topic', topic).status).toBe(0);
  expect(tidemark('run').stderr).toContain('release');

  const trained = tidemark('train', '--json');
  expect(trained.status, trained.stderr).toBe(0);
  expect(trained.stderr).toContain('rows to train, calibrate and validate');
  const report = JSON.parse(trained.stdout);
  const { version, gates } = report.card;
  const passed = gates.every((gate: { passed: boolean }) => gate.passed);
  expect(report).toMatchObject({
    registered: 'registered',
    promoted: passed,
    comparison: null,
    champion: passed ? version : null,
  });
  const shown = tidemark('models', 'show', version);
  for (const text of [version, 'logistic regression', 'G3 floor', 'fraud_structuring', 'prevalence'])
    expect(shown.stdout).toContain(text);

  // Known by its bytes: the same release and T give the same version again.
  const again = JSON.parse(tidemark('train', '--json', '--no-promote').stdout);
  expect(again).toMatchObject({ registered: 'known', card: { version } });
  const promoted = tidemark('models', 'promote', version);
  expect(promoted.status).toBe(passed ? 0 : 1);
  if (!passed) expect(promoted.stderr).toContain('MODEL_GATES_FAILED');
  const rolledBack = tidemark('models', 'rollback');
  expect(rolledBack.stderr).toContain('MODEL_NONE_BEFORE');
  expect(tidemark('models', 'promote', 'no-such-version').stderr).toContain('MODEL_MISSING');
  expect(tidemark('models', 'promote', version, '--force').status).toBe(2);
}, 300_000);
