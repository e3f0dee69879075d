import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectRoot } from '../../support/sourceFiles.ts';
import { freshDatabase, reviews, storeWith } from './support.ts';

let home = '';
let url = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tidemark-alerts-command-'));
  url = await freshDatabase();
  const at = new Date(Date.now() - 600_000).toISOString();
  const unscored = reviews(3, { decided_at: at, reason_code: 'NO_MODEL' }).slice(2);
  await using _ = await storeWith(url, [
    ...reviews(2, { decided_at: at, p_fraud: 0.95, reasons: ['odd hour'] }),
    ...unscored,
  ]);
});
afterAll(() => rm(home, { recursive: true, force: true }));

function tidemark(args: readonly string[], postgresUrl = url) {
  const done = spawnSync(
    process.execPath,
    [join(projectRoot, 'infra', 'cli', 'main.ts'), 'alerts', ...args],
    {
      env: { PATH: process.env['PATH'], TIDEMARK_HOME: home, TIDEMARK_POSTGRES_URL: postgresUrl },
      encoding: 'utf8',
    },
  );
  return { code: done.status, out: done.stdout, err: done.stderr };
}

test('list, show, say what it was, list again', () => {
  const listed = tidemark(['list']);
  expect(listed.err).toBe('');
  const rows = listed.out.trimEnd().split('\n');
  expect(rows).toHaveLength(3);
  expect(rows[1]).toMatch(/^A-000001 +high +open +src +k +2 +0\.950 +regular +10 min ago/);
  expect(rows[2]).toMatch(/^A-000002 +low +open +src +all with NO_MODEL +1/);

  const shown = tidemark(['show', 'a-1']);
  expect(shown.out).toContain('A-000001  high  open');
  expect(shown.out).toMatch(/e0-1 +10 min ago +review +high +0\.950 +regular +- +odd hour/);

  const said = tidemark([
    'verdict',
    '1',
    'fraud',
    '--type',
    'fraud_card_testing',
    '--by',
    'ann',
    '--note',
    'same card',
  ]);
  expect(said).toEqual({
    code: 0,
    err: '',
    out: 'A-000001: fraud; 2 labels on the way; the alert is closed\n',
  });
  const again = JSON.parse(tidemark(['verdict', '1', 'legitimate', '--event', 'e0-1', '--json']).out);
  expect(again).toMatchObject({ alert: 'A-000001', labels: [{ event_id: 'e0-1', revision: 2 }] });

  expect(tidemark(['close', '2', '--by', 'ann']).out).toBe('A-000002 is closed\n');
  expect(tidemark(['list']).out).toBe('no alerts are open\n');
  const all = JSON.parse(tidemark(['list', '--state', 'all', '--json', '--limit', '1']).out);
  expect(all).toMatchObject([{ id: 'A-000001', state: 'closed', verdict: 'legitimate', closed_by: 'ann' }]);
  expect(tidemark(['show', '1']).out).toContain('fraud fraud_card_testing "same card" (ann,');
});

test('errors say what to do: 1 for what failed, 2 for what was not understood', () => {
  const wrongType = tidemark(['verdict', '1', 'fraud', '--type', 'fraud_x']);
  expect(wrongType.code).toBe(1);
  expect(wrongType.err).toContain('fraud_card_testing, fraud_chargeback_fraud');
  expect(tidemark(['verdict', '1', 'maybe'])).toMatchObject({ code: 2 });
  expect(tidemark(['list', '--limit', '0'])).toMatchObject({ code: 2 });
  expect(tidemark(['list', '--severity', 'huge'])).toMatchObject({ code: 2 });
  expect(tidemark(['show', 'nine']).err).toContain('ALERT_UNKNOWN');
  const away = tidemark(['list'], 'postgres://tidemark:tidemark@127.0.0.1:1/tidemark');
  expect(away.code).toBe(1);
  expect(away.err).toMatch(/POSTGRES_UNAVAILABLE[\s\S]*make up/);
  expect(away.err).not.toContain('tidemark:tidemark');
});
