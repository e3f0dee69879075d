import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SqlSession } from '../../infra/core/duckdb.ts';
import { openCatalog } from '../../lakehouse/sqlGatewayCatalog.ts';
import { openSandbox, type Sandbox } from '../../lakehouse/sqlGatewaySandbox.ts';
import { appendRows, createTableLike, openTempLake, type TempLake } from '../support/tempLake.ts';

/** The second line of defence: what DuckDB itself refuses when a statement got past the gate. */
let lake: TempLake;
let sandbox: Sandbox;
let parser: SqlSession;
const outDir = mkdtempSync(join(tmpdir(), 'tidemark-sandbox-'));

beforeAll(async () => {
  lake = await openTempLake();
  for (const name of ['bronze.seen', 'bronze.unseen']) {
    const table = await createTableLike(lake, { name, select: 'select 1 as i' });
    await appendRows(lake, table, { select: 'select 7 as i' });
  }
  parser = await lake.duckdb.connect();
  const limits = { memoryBytes: 64 * 2 ** 20, threads: 1 };
  sandbox = await openSandbox(lake, {
    catalog: await openCatalog(lake),
    parser,
    names: ['bronze.seen'],
    limits,
  });
});
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  await parser[Symbol.asyncDispose]();
  await lake[Symbol.asyncDispose]();
  rmSync(outDir, { recursive: true });
});

it('reads the table that was opened', async () => {
  expect(await sandbox.session.rows('select i from bronze.seen')).toEqual([{ i: 7 }]);
});

it.each([
  "select * from read_text('/etc/passwd')",
  "select * from read_blob('/proc/self/environ')",
  "select * from glob('/etc/*')",
  "from '/etc/hosts.csv'",
  `copy (select 1) to '${outDir}/stolen.csv'`,
  `attach '${outDir}/stolen.db' as x`,
  `export database '${outDir}/stolen'`,
  'install httpfs',
  "load 'httpfs'",
  "set memory_limit = '100GB'",
  'set enable_external_access = true',
  "set allowed_paths = ['/etc/passwd']",
  'reset lock_configuration',
  'select * from bronze.unseen',
])('refuses by itself: %s', async (sql) => {
  await expect(sandbox.session.run(sql)).rejects.toThrow(
    /Permission Error|locked|external access|does not exist/i,
  );
  expect(readdirSync(outDir)).toEqual([]);
});

it('refuses a file of the lake that the statement did not name', async () => {
  const path = `${lake.rootDir}/lake/bronze/unseen/*.parquet`;
  await expect(sandbox.session.run(`select * from read_parquet('${path}')`)).rejects.toThrow(
    /Permission Error/,
  );
});
