import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../infra/core/clock.ts';
import { createLocalStore } from '../../lakehouse/localStorage.ts';
import { openTable } from '../../lakehouse/table.ts';
import { detailTable, historyEntry } from '../../lakehouse/tableReport.ts';
import { appendIds, createDays, openTestLake, readIds } from './support.ts';

const ROOT = join(import.meta.dirname, '../..');
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tidemark-command-'));
  await using lake = await openTestLake(createLocalStore(join(home, 'lake')), agedClock());
  const table = await createDays(lake);
  for (let i = 1; i <= 3; i += 1) await appendIds(lake, table, { ids: [i, -i] });
});
afterAll(() => rm(home, { recursive: true, force: true }));

test('list says what the log holds; optimize packs what its dry run announced', async () => {
  const [entry, ...others] = JSON.parse((await run('list', '--json')).stdout);
  expect(others).toEqual([]);
  expect(entry).toMatchObject({ name: 'bronze.days', version: 3, files: 3, rows: 6 });
  expect(Object.keys(entry)).toEqual([
    'name',
    'version',
    'files',
    'rows',
    'bytes',
    'committed_at',
    'age_seconds',
  ]);
  const planned = JSON.parse((await run('optimize', 'bronze.days', '--dry-run', '--json')).stdout);
  expect(planned).toMatchObject({ dry_run: true, files_before: 3, files_after: 1, versions: [] });
  const packed = await run('optimize', 'bronze.days');
  expect(packed.stdout).toBe('packed 3 files of bronze.days into 1\n');

  await using lake = await openTestLake(createLocalStore(join(home, 'lake')));
  const table = await openTable(lake, 'bronze.days');
  expect(await readIds(lake, await table!.snapshot())).toEqual([-3, -2, -1, 1, 2, 3]);
  const [last, before] = (await table!.history(2)).map(historyEntry);
  expect(last).toMatchObject({ version: 4, operation: 'OPTIMIZE', files_added: 1, files_removed: 3 });
  expect(before).toMatchObject({ version: 3, operation: 'WRITE', files_added: 1, files_removed: 0 });
  const details = await detailTable(table!, Date.now());
  expect(details.columns[0]).toEqual({ name: 'id', type: 'BIGINT', partition: false });
  expect(details.partitions).toMatchObject([{ values: { day: '2025-01-01' }, files: 1, rows: 6 }]);
});

test('a table that is not there fails with what to do; a wrong option is a usage error', async () => {
  await expect(run('show', 'gold.none')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/LAKE_TABLE_MISSING[\s\S]*table list/),
  });
  await expect(run('history', 'bronze.days', '--limit', 'all')).rejects.toMatchObject({ code: 2 });
});

function run(...args: string[]) {
  const env = { ...process.env, TIDEMARK_HOME: home, TIDEMARK_LAKE: join(home, 'lake') };
  const main = join(ROOT, 'infra/cli/main.ts');
  return promisify(execFile)(process.execPath, [main, 'table', ...args], { env, cwd: ROOT });
}

/** An hour ago, so that the files are old enough to be packed. */
function agedClock() {
  return { ...systemClock, nowMs: () => Date.now() - 3_600_000 };
}
