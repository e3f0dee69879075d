import { mkdirSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Lake } from '../../lakehouse/lake.ts';
import { createLocalStore } from '../../lakehouse/localStorage.ts';
import { commitKey, lastCheckpointKey, tablePath } from '../../lakehouse/logPath.ts';
import { stageMerge } from '../../lakehouse/merge.ts';
import { optimizeTable } from '../../lakehouse/optimize.ts';
import { filesOfPartitions } from '../../lakehouse/pruning.ts';
import { type DeltaField, type DeltaType, field, widenSchema } from '../../lakehouse/schema.ts';
import { createTable, type LakeTable, openTable, withSchema } from '../../lakehouse/table.ts';
import { expectAgreement } from '../support/foreignReaders.ts';
import { openTestLake } from './support.ts';

/**
 * Readers that share no line of code with us agree with ours row by row: ClickHouse with the Delta
 * kernel reads log and files, hyparquet reads the files. ClickHouse opens only what lies in the
 * working directory.
 */
const WORK = join(process.cwd(), '.tidemark');
mkdirSync(WORK, { recursive: true });
const ROOT = mkdtempSync(join(WORK, 'test-readers-'));
afterAll(() => rm(ROOT, { recursive: true, force: true }));

const INNER: DeltaType = { type: 'struct', fields: [field('z', 'string')] };
const FIELDS: readonly DeltaField[] = [
  field('id', 'long'),
  field('n', 'integer'),
  field('price', 'decimal(18,4)'),
  field('wide', 'decimal(38,9)'),
  field('ratio', 'double'),
  field('ok', 'boolean'),
  field('s', 'string'),
  field('bin', 'binary'),
  field('born', 'date'),
  field('at', 'timestamp'),
  field('tags', { type: 'array', elementType: 'string', containsNull: true }),
  field('st', { type: 'struct', fields: [field('x', 'long'), field('y', INNER)] }),
  field('attrs', { type: 'map', keyType: 'string', valueType: 'long', valueContainsNull: true }),
  field('part', 'string'),
];
const TEXTS = [
  'plain',
  '',
  ' ',
  'é😀',
  'quote \' " \\',
  'line\nbreak\ttab',
  '\u0001',
  'x'.repeat(300),
  'null',
  '%2F a/b',
];
const PARTITIONS = ['a', 'b c', 'p%2Fq/r', "it's", 'é', null];

test('every state of a table reads the same with other readers', async () => {
  await using lake = await openTestLake(createLocalStore(ROOT));
  const table = await createTable(lake, { name: 'bronze.all', fields: FIELDS, partitionColumns: ['part'] });
  await agree(lake, table, 'an empty table');

  for (const [i, part] of PARTITIONS.entries()) await append(lake, table, { from: i * 10, part });
  await agree(lake, table, 'appends');

  await evolve(lake, table);
  await agree(lake, table, 'an evolved schema');

  await overwrite(lake, table, 'b c');
  await agree(lake, table, 'an overwritten partition');

  await merge(lake, table);
  await agree(lake, table, 'a merge');

  await lake.clock.sleep(3_600_000);
  for (let i = 0; i < 3; i += 1) await append(lake, table, { from: 100 + i * 10, part: 'a' });
  await lake.clock.sleep(3_600_000);
  const { versions } = await optimizeTable(lake, table, { minFiles: 2, orderBy: 'id' });
  expect(versions).toHaveLength(2);
  await agree(lake, table, 'compaction');

  const newest = await table.snapshot();
  for (let version = 0; version <= newest.version; version += 3) {
    await agree(lake, table, `time travel to ${version}`, version);
  }

  expect(newest.version).toBeGreaterThan(10);
  for (let version = 0; version <= 10; version += 1)
    await lake.store.remove(commitKey(tablePath(table.name), version));
  await agree(lake, (await openTable(lake, table.name))!, 'a checkpoint and a tail');
  await lake.store.remove(lastCheckpointKey(tablePath(table.name)));
  await agree(lake, (await openTable(lake, table.name))!, 'no _last_checkpoint');
}, 120_000);

test('a table that is a checkpoint alone reads the same, with all progress in it', async () => {
  await using lake = await openTestLake(createLocalStore(ROOT));
  const table = await createTable(lake, { name: 'bronze.only', fields: FIELDS, partitionColumns: [] });
  for (let i = 0; i < 10; i += 1) {
    const txn = { appId: `app:"${i % 2}"`, expected: i < 2 ? undefined : i - 2, version: i };
    await append(lake, table, { from: i, txn });
  }
  for (let version = 0; version <= 10; version += 1)
    await lake.store.remove(commitKey(tablePath(table.name), version));
  const reopened = (await openTable(lake, table.name))!;
  expect([...(await reopened.snapshot()).txns]).toEqual([
    ['app:"0"', 8],
    ['app:"1"', 9],
  ]);
  await agree(lake, reopened, 'checkpoint only');
}, 60_000);

const agree = (lake: Lake, table: LakeTable, state: string, version?: number) =>
  expectAgreement(lake, table, { root: ROOT, state, ...(version === undefined ? {} : { version }) });

/** Ten rows of all types: extremes, nulls and odd texts among them. */
async function append(
  lake: Lake,
  table: LakeTable,
  rows: {
    readonly from: number;
    readonly part?: string | null;
    readonly txn?: { appId: string; expected: number | undefined; version: number };
  },
): Promise<void> {
  await using session = await lake.duckdb.connect();
  const base = await table.snapshot();
  const texts = TEXTS.map((text) => `decode(from_base64('${Buffer.from(text).toString('base64')}'))`);
  const extra = base.schema.some((f) => f.name === 'extra') ? ', i * 1.5 AS extra' : '';
  const select = `SELECT ${rows.from} + i AS id, i::INTEGER - 5 AS n, (i * 12345.6789)::DECIMAL(18,4) AS price,
      '12345678901234567890123456789.123456789'::DECIMAL(38,9) / (i + 1) AS wide,
      [1.5, -0.25, 1e300, 1e-300, 0.1, 3.0, 7e15, 1/3, 0, 2.5][i + 1]::DOUBLE AS ratio,
      CASE WHEN i % 3 = 0 THEN NULL ELSE i % 2 = 0 END AS ok, ([${texts.join(', ')}])[i + 1] AS s,
      from_hex('00ff0a' || lpad(hex(i), 2, '0')) AS bin, DATE '1969-12-25' + i::INTEGER AS born,
      TIMESTAMPTZ '1969-12-31 23:59:59.999990Z' + to_microseconds(i * 3) AS at,
      CASE WHEN i % 4 = 0 THEN NULL ELSE ['t' || i, NULL, ''] END AS tags,
      CASE WHEN i % 5 = 0 THEN NULL ELSE {'x': i, 'y': CASE WHEN i = 3 THEN NULL ELSE {'z': 's' || i} END} END AS st,
      CASE WHEN i = 7 THEN NULL ELSE MAP {'k': i, 'none': NULL} END AS attrs${extra}
    FROM range(9) r(i)
    UNION ALL SELECT ${rows.from} + 9${', NULL'.repeat(12)}${extra === '' ? '' : ', NULL'}`;
  const partitionValues = base.partitionColumns.length === 0 ? {} : { part: rows.part ?? null };
  const unpartitioned =
    base.partitionColumns.length === 0 ? `SELECT *, 'p' AS part FROM (${select})` : select;
  const adds = await table.stage({ session, select: unpartitioned, partitionValues });
  const txns = rows.txn === undefined ? [] : [rows.txn];
  const result = await table.commit({
    operation: 'WRITE',
    base,
    adds,
    txns,
    reads: 'nothing',
    info: { landing: [{ from: 1 }] },
  });
  expect(result.kind).toBe('committed');
}

async function evolve(lake: Lake, table: LakeTable): Promise<void> {
  const base = await table.snapshot();
  const wanted = [
    field('extra', 'double'),
    field('st', { type: 'struct', fields: [field('later', 'date')] }),
  ];
  const metaData = withSchema(base.metadata, widenSchema(base.schema, wanted)!);
  await table.commit({ operation: 'ADD COLUMNS', base, metaData, reads: 'nothing' });
  await append(lake, table, { from: 60, part: 'a' });
}

async function overwrite(lake: Lake, table: LakeTable, part: string): Promise<void> {
  await using session = await lake.duckdb.connect();
  const base = await table.snapshot();
  const removes = filesOfPartitions(base, [{ part }]);
  expect(removes).toHaveLength(1);
  const nulls = FIELDS.slice(1, -1).map((f) => `NULL AS ${f.name}`);
  const select = `SELECT 70 AS id, ${nulls.join(', ')}, 1 AS extra`;
  const adds = await table.stage({ session, select, partitionValues: { part } });
  await table.commit({ operation: 'WRITE', base, adds, removes, reads: [{ part }] });
}

async function merge(lake: Lake, table: LakeTable): Promise<void> {
  await using session = await lake.duckdb.connect();
  const base = await table.snapshot();
  const nulls = FIELDS.slice(2, -1).map((f) => `NULL AS ${f.name}`);
  const rows = `SELECT id, 77 AS n, ${nulls.join(', ')}, part, 2.5 AS extra FROM (VALUES (3, 'a'), (999, NULL)) v(id, part)`;
  await session.run(`CREATE TEMP TABLE source AS ${rows}`);
  await session.run('CREATE TEMP TABLE touched AS SELECT unnest([3, 4, 999]) AS id');
  const staged = await stageMerge(lake, base, {
    session,
    source: 'source',
    touched: 'touched',
    keys: ['id'],
  });
  expect(staged).toMatchObject({ inserted: 1, updated: 1, deleted: 1 });
  const { adds, removes } = staged;
  const result = await table.commit({ operation: 'MERGE', base, adds, removes, reads: 'table' });
  expect(result.kind).toBe('committed');
}
