import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sqlText } from '../../infra/core/duckdb.ts';
import { createLocalStore } from '../../lakehouse/localStorage.ts';
import { scan } from '../../lakehouse/scan.ts';
import { openTableAt } from '../../lakehouse/table.ts';
import { openTestLake } from './support.ts';

/** Tables that Spark and the Delta kernel wrote, with what they must read as. */
const GOLDEN_DIR = join(import.meta.dirname, '../../../shared/data/delta-golden');

/** Tables that we must refuse, and with which error. */
const REFUSED: Readonly<Record<string, string>> = {
  'data-reader-timestamp_ntz-name-mode': 'LAKE_PROTOCOL_UNSUPPORTED',
  'data-skipping-basic-stats-all-types-columnmapping-name': 'LAKE_PROTOCOL_UNSUPPORTED',
  // its metaData has no schema
  'deltalog-commit-info': 'LAKE_LOG_CORRUPT',
  'deltalog-invalid-protocol-version': 'LAKE_PROTOCOL_UNSUPPORTED',
  'deltalog-state-reconstruction-from-checkpoint-missing-protocol': 'LAKE_LOG_CORRUPT',
  'deltalog-state-reconstruction-without-protocol': 'LAKE_LOG_CORRUPT',
  'dv-with-columnmapping': 'LAKE_PROTOCOL_UNSUPPORTED',
  'log-replay-dv-key-cases': 'LAKE_PROTOCOL_UNSUPPORTED',
  'table-with-columnmapping-mode-id': 'LAKE_PROTOCOL_UNSUPPORTED',
  'v2-checkpoint-json': 'LAKE_PROTOCOL_UNSUPPORTED',
  'versions-not-contiguous': 'LAKE_LOG_GAP',
};

/** Tables without expected content: the live files that replay must leave. */
const LIVE_FILES: Readonly<Record<string, number>> = {
  'canonicalized-paths-normal-b': 0,
  'canonicalized-paths-special-b': 0,
};

/** Tables whose expected content is no row. */
const EMPTY = new Set(['log-replay-special-characters', 'log-replay-special-characters-a']);

const isAbsentOnPurpose = process.env['TIDEMARK_SHARED_DATA'] === 'absent';
const names = existsSync(GOLDEN_DIR) ? archiveNames() : [];

test.skipIf(isAbsentOnPurpose)(
  'the golden tables are there (TIDEMARK_SHARED_DATA=absent says that they are not meant to be)',
  () => {
    expect(names.length, `no archives in ${GOLDEN_DIR}`).toBeGreaterThan(40);
    for (const name of [...Object.keys(REFUSED), ...Object.keys(LIVE_FILES)]) expect(names).toContain(name);
  },
);

describe.runIf(names.length > 0)('tables of other writers', () => {
  const root = mkdtempSync(join(tmpdir(), 'tidemark-golden-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  beforeAll(() => {
    for (const name of names) {
      execFileSync('tar', ['--zstd', '-xf', join(GOLDEN_DIR, `${name}.tar.zst`), '-C', root]);
    }
  });
  const open = async (lake: Awaited<ReturnType<typeof openTestLake>>, name: string) => {
    const table = await openTableAt(lake, { table: name, path: `${name}/delta` });
    return table?.snapshot();
  };
  const refused = Object.keys(REFUSED);
  const readable = names.filter(
    (n) => !refused.includes(n) && !(n in LIVE_FILES) && n !== 'no-delta-log-folder',
  );

  test.each(readable)('%s reads as expected', async (name) => {
    await using lake = await openTestLake(createLocalStore(root));
    await using session = await lake.duckdb.connect();
    const snapshot = await open(lake, name);
    await using scanned = await scan(lake, snapshot!);
    const expected = await expectedSql(session, join(root, name, 'expected'), scanned.sql);
    const [rows] = await session.rows(multisetOf(expected));
    expect(await session.rows(multisetOf(scanned.sql))).toEqual([rows]);
    expect(rows?.['n'] === '0', 'whether it is empty').toBe(EMPTY.has(name));
  });

  test.each(refused)('%s is refused with a reason', async (name) => {
    await using lake = await openTestLake(createLocalStore(root));
    await expect(open(lake, name)).rejects.toMatchObject({ code: REFUSED[name] });
  });

  test.each(Object.entries(LIVE_FILES))('%s has %i live files', async (name, files) => {
    await using lake = await openTestLake(createLocalStore(root));
    expect((await open(lake, name))?.files.size).toBe(files);
  });

  test('a directory without a log is no table', async () => {
    await using lake = await openTestLake(createLocalStore(root));
    expect(await open(lake, 'no-delta-log-folder')).toBeUndefined();
  });
});

function archiveNames(): string[] {
  return readdirSync(GOLDEN_DIR)
    .filter((file) => file.endsWith('.tar.zst'))
    .map((file) => basename(file, '.tar.zst'))
    .sort();
}

/** Number of rows and the sum of their hashes: equal for equal multisets of rows. */
function multisetOf(relation: string): string {
  return `SELECT count(*) AS n, sum(hash(r)::HUGEINT)::VARCHAR AS hashes FROM ${relation} AS r`;
}

/** The expected rows, cast to the types in which we read the table: writers' physical types differ. */
async function expectedSql(
  session: { rows(sql: string): Promise<Record<string, unknown>[]> },
  directory: string,
  ours: string,
): Promise<string> {
  const files = readdirSync(directory).filter((file) => file.endsWith('.parquet'));
  const list = files.map((file) => sqlText(join(directory, file))).join(', ');
  const columns = await session.rows(`DESCRIBE FROM ${ours}`);
  const casts = columns.map(
    (c) => `CAST("${c['column_name']}" AS ${c['column_type']}) AS "${c['column_name']}"`,
  );
  return `(SELECT ${casts.join(', ')} FROM read_parquet([${list}], union_by_name=true))`;
}
