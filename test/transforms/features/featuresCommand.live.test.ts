import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { paymentContent } from '../../../infra/content.ts';
import { projectRoot } from '../../support/sourceFiles.ts';

test('the command lists every feature, shows the SQL of one, and names those it knows for one it does not', async () => {
  const list = JSON.parse((await run('list', '--json')).stdout);
  expect(list.map(({ name }: { name: string }) => name)).toEqual(
    paymentContent.features.entries.map(({ name }) => name),
  );
  expect((await run('list')).stdout).toMatch(
    /^cnt_user_1h +11 {2}stream +count over 1h {2}\[gaming, fintech, ecommerce\]$/m,
  );
  const shown = (await run('show', 'small_cnt_card_1h')).stdout;
  expect(shown).toContain('stream, of the record');
  expect(shown).toContain('count over 1h, same instrument_id, where amount_base_minor <= 500');
  expect(shown).toContain('from bronze.tx_gaming');
  expect(shown).not.toContain('bronze.tx_fintech');
  await expect(run('show', 'nothing')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/FEATURE_UNKNOWN[\s\S]*cnt_user_1h/),
  });
});

test('without decisions there is nothing to compare, and a number that is none is refused', async () => {
  expect(JSON.parse((await run('parity', '--json')).stdout)).toMatchObject({ equal: true, decisions: 0 });
  expect((await run('parity')).stdout).toBe('nothing was decided yet\n');
  await expect(run('parity', '--last', '0')).rejects.toMatchObject({ code: 2 });
});

const home = mkdtempSync(join(tmpdir(), 'tidemark-features-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

function run(...args: string[]) {
  const main = join(projectRoot, 'infra/cli/main.ts');
  const env = { ...process.env, TIDEMARK_HOME: home };
  return promisify(execFile)(process.execPath, [main, 'features', ...args], { cwd: projectRoot, env });
}
