import { expect, test } from 'vitest';
import { scan } from '../../lakehouse/scan.ts';
import { stagePartitions } from '../../lakehouse/stage.ts';
import type { LakeTable } from '../../lakehouse/table.ts';
import { commitTo, createTableLike, openTempLake, stageRows, type TempLake } from '../support/tempLake.ts';

const ROWS = `select * from (values (1, date '2026-01-01', 'a'), (2, date '2026-01-02', 'b'), (3, date '2026-01-02', 'a b'))
  as t(id, day, kind)`;

async function partitioned(
  lake: TempLake,
  partitionColumns: readonly string[],
  select = ROWS,
): Promise<LakeTable> {
  const table = await createTableLike(lake, { name: 'silver.parted', select: ROWS, partitionColumns });
  await using session = await lake.duckdb.connect();
  await commitTo(table, { adds: await stagePartitions(lake, await table.snapshot(), { session, select }) });
  return table;
}

async function rowsOf(lake: TempLake, table: LakeTable, where = 'true') {
  await using scanned = await scan(lake, await table.snapshot());
  await using session = await lake.duckdb.connect();
  const rows = await session.rows(`select * from ${scanned.sql} where ${where} order by id`);
  return { rows: rows.map((row) => Object.values(row)), sql: scanned.sql };
}

const EXPECTED = [
  [1, '2026-01-01', 'a'],
  [2, '2026-01-02', 'b'],
  [3, '2026-01-02', 'a b'],
];

test('directories that spell the partition values are read as such, in one branch', async () => {
  await using lake = await openTempLake();
  const { rows, sql } = await rowsOf(lake, await partitioned(lake, ['day']));
  expect(rows).toEqual(EXPECTED);
  expect(sql).toContain('hive_partitioning=true');
});

test.each([
  ['a value that no directory spells', ['day', 'kind'], ROWS],
  ['a null', ['day'], ROWS.replace("date '2026-01-01'", 'null')],
])('%s comes from the log', async (_, partitionColumns, select) => {
  await using lake = await openTempLake();
  const { rows, sql } = await rowsOf(lake, await partitioned(lake, partitionColumns, select));
  expect(rows).toEqual(select === ROWS ? EXPECTED : [[1, null, 'a'], ...EXPECTED.slice(1)]);
  expect(sql).toContain('hive_partitioning=false');
});

test('a directory that says otherwise than the log is not believed', async () => {
  await using lake = await openTempLake();
  const table = await createTableLike(lake, {
    name: 'silver.parted',
    select: ROWS,
    partitionColumns: ['day'],
  });
  const [add] = await stageRows(lake, table, { select: ROWS, partitionValues: { day: '2026-01-01' } });
  await commitTo(table, { adds: [{ ...add!, partitionValues: { day: '2026-05-05' } }] });
  const { rows } = await rowsOf(lake, table, "day = date '2026-05-05'");
  expect(rows.map((row) => row[1])).toEqual(['2026-05-05', '2026-05-05', '2026-05-05']);
});
