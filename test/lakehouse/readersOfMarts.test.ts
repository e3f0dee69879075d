import { mkdirSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { paymentContent } from '../../infra/content.ts';
import { noCrash } from '../../infra/core/crashPoint.ts';
import { openDuckdb } from '../../infra/core/duckdb.ts';
import { openTransforms } from '../../infra/transforms.ts';
import { landFile } from '../../ingestion/landFile.ts';
import { DOMAINS } from '../../ingestion/simulator/domains.ts';
import { writeHistory } from '../../ingestion/simulator/history.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { createLocalStore } from '../../lakehouse/localStorage.ts';
import { listTables, openTable } from '../../lakehouse/table.ts';
import { runModels } from '../../transforms/run.ts';
import { expectAgreement } from '../support/foreignReaders.ts';
import { silentLog, testClock } from '../support/tempLake.ts';

const WORK = join(process.cwd(), '.tidemark');
mkdirSync(WORK, { recursive: true });
const ROOT = mkdtempSync(join(WORK, 'test-marts-'));
afterAll(() => rm(ROOT, { recursive: true, force: true }));

const END_MS = Date.UTC(2026, 2, 31);
const WORLD = { days: 2, endMs: END_MS, actors: 3, domains: DOMAINS, fraudRate: 0.1 };
const NO_BROKER = { brokers: ['127.0.0.1:1'], cluster: 'main' };

test('every table that landing and transforms fill reads the same with other readers', async () => {
  const root = join(ROOT, 'lake');
  await using duckdb = await openDuckdb({ memoryBytes: 256 * 2 ** 20, threads: 1 });
  const lake: Lake = {
    store: createLocalStore(root),
    duckdb,
    clock: testClock(END_MS + 3_600_000),
    log: silentLog,
    crashPoint: noCrash,
    stagingDir: ROOT,
  };
  const limits = { intervalMs: 5_000, maxBytes: 2 ** 20, maxRows: 50 };
  for (const seed of [1, 2]) {
    const history = await writeHistory({ ...WORLD, seed, dir: join(ROOT, `history-${seed}`) });
    for (const { topic, path } of history.files) {
      const contract = paymentContent.contracts.find((one) => one.topic === topic)!;
      await landFile({ lake, kafka: NO_BROKER, limits, log: silentLog }, { path, contract });
    }
    await runModels(await openTransforms(lake, paymentContent, silentLog));
  }
  const names = await listTables(lake);
  expect(names).toEqual(
    expect.arrayContaining(['bronze.labels', 'silver.transactions', 'gold.hourly_metrics']),
  );
  for (const name of names) {
    const table = (await openTable(lake, name))!;
    const { version } = await table.snapshot();
    await expectAgreement(lake, table, { root, state: name });
    if (version > 1)
      await expectAgreement(lake, table, { root, state: `${name} before`, version: version - 1 });
  }
}, 120_000);
