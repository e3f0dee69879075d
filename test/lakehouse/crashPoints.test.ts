import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { systemClock } from '../../infra/core/clock.ts';
import { createLocalStore } from '../../lakehouse/localStorage.ts';
import { publishRelease } from '../../lakehouse/release.ts';
import { openTable } from '../../lakehouse/table.ts';
import { createDays, openTestLake, readIds, stageIds } from './support.ts';

const EFFECTS = [
  'before-data-put',
  'after-data-put',
  'before-commit-put',
  'after-commit-put',
  'before-release-put',
  'after-release-put',
];

test('each effect of an append and a release passes its crash points, in order', async () => {
  const passed: string[] = [];
  await using opened = await openTestLake();
  const lake = { ...opened, crashPoint: (name: string) => void passed.push(name) };
  await appendAndRelease(lake);
  expect(passed).toEqual(EFFECTS);
});

test.each(EFFECTS)(
  'a process that stops at %s leaves all of the effects before it and nothing else',
  async (point) => {
    await using opened = await openTestLake();
    const stop = (name: string) => {
      if (name === point) throw new TypeError('stopped');
    };
    await createDays(opened);
    await expect(appendAndRelease({ ...opened, crashPoint: stop })).rejects.toThrow('stopped');
    const snapshot = await (await openTable(opened, 'bronze.days'))!.snapshot();
    const isCommitted = EFFECTS.indexOf(point) >= EFFECTS.indexOf('after-commit-put');
    expect(snapshot.version).toBe(isCommitted ? 1 : 0);
    expect(snapshot.txns.get('app')).toBe(isCommitted ? 3 : undefined);
    expect(await readIds(opened, snapshot)).toEqual(isCommitted ? [1] : []);
    const released = [];
    for await (const { key } of opened.store.list('_releases/')) released.push(key);
    expect(released).toHaveLength(point === 'after-release-put' ? 1 : 0);
  },
);

test('processes that race for versions on one disk lose nothing and leave no gap', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tidemark-race-'));
  await using lake = await openTestLake(createLocalStore(root), systemClock);
  const table = await createDays(lake);
  const [writers, commits] = [3, 12];
  const script = fileURLToPath(new URL('./raceWriter.ts', import.meta.url));
  const run = promisify(execFile);
  await Promise.all(
    Array.from({ length: writers }, (_, i) =>
      run(process.execPath, [script, root, `w${i}`, String(commits)]),
    ),
  );
  const snapshot = await table.snapshot();
  expect(snapshot.version).toBe(writers * commits);
  const expected = Array.from({ length: writers }, (_, w) =>
    Array.from({ length: commits }, (_, n) => `w${w}-${n}`),
  );
  expect([...snapshot.files.keys()].sort()).toEqual(expected.flat().sort());
  for (let w = 0; w < writers; w += 1) expect(snapshot.txns.get(`w${w}`)).toBe(commits);
  await rm(root, { recursive: true, force: true });
});

async function appendAndRelease(lake: Awaited<ReturnType<typeof openTestLake>>): Promise<void> {
  const table = await createDays(lake);
  await using session = await lake.duckdb.connect();
  const base = await table.snapshot();
  const adds = await stageIds(table, session, { ids: [1] });
  const txns = [{ appId: 'app', expected: undefined, version: 3 }];
  await table.commit({ operation: 'WRITE', base, adds, txns, reads: 'nothing' });
  const tables = { 'bronze.days': 1 };
  const release = { number: 1, run: 'r', createdMs: 1, tables, views: {}, pins: {}, staleSince: {} };
  await publishRelease(lake, release);
}
