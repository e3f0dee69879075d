import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { paymentContent } from '../../infra/content.ts';
import { sqlText } from '../../infra/core/duckdb.ts';
import { DOMAINS } from '../../ingestion/simulator/domains.ts';
import { type History, writeHistory } from '../../ingestion/simulator/history.ts';
import { openTempLake, type TempLake } from '../support/tempLake.ts';
import { landValues } from '../transforms/bronzeRows.ts';
import { runAll } from '../transforms/payments.ts';
import { rowsOf } from '../transforms/support.ts';

/**
 * The marts over simulated events of a fixed seed, in whole rows. `vitest -u` writes the files anew:
 * look at what changed, and why.
 */
const PARAMETERS = {
  seed: 42,
  days: 3,
  endMs: Date.UTC(2026, 2, 31),
  actors: 4,
  domains: DOMAINS,
  fraudRate: 0.1,
};

let dir = '';
let history: History;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tidemark-golden-'));
  history = await writeHistory({ ...PARAMETERS, dir });
});

afterAll(() => rm(dir, { recursive: true, force: true }));

test.each(['gold.hourly_metrics', 'gold.actor_risk_profiles'])('%s over a fixed seed', async (table) => {
  await using lake = await openTempLake();
  // In two halves, so that the second is computed on top of the first.
  await landHistory(lake, 0);
  await runAll(lake);
  await landHistory(lake, 1);
  await runAll(lake);
  const rows = await rowsOf(lake, table);
  expect(rows.length).toBeGreaterThan(10);
  const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  await expect(text).toMatchFileSnapshot(`${table}.ndjson`);
});

async function landHistory(lake: TempLake, half: 0 | 1): Promise<void> {
  for (const { topic, path } of history.files) {
    const contract = paymentContent.contracts.find((c) => c.topic === topic);
    if (contract === undefined) throw new Error(`no contract of ${topic}`);
    await landValues(
      lake,
      contract,
      `select o, 0 as p, arrived_at as t, value as v
       from (select *, row_number() over (order by arrived_at, key, value) - 1 as o, count(*) over () as n
             from read_parquet(${sqlText(path)}))
       where o // ((n + 1) // 2) = ${half}`,
    );
  }
}
