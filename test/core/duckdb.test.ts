import { expect, it } from 'vitest';
import { openDuckdb, type SqlSession } from '../../infra/core/duckdb.ts';

const OPTIONS = { memoryBytes: 64 * 2 ** 20, threads: 1 };

async function countRows(session: SqlSession, sql: string): Promise<number> {
  let rows = 0;
  for await (const chunk of (await session.stream(sql)).chunks) rows += chunk.length;
  return rows;
}

it('a stream that fails in its middle throws the reason instead of ending early', async () => {
  await using duckdb = await openDuckdb(OPTIONS);
  await using session = await duckdb.connect();
  const sql = "select case when range = 300000 then 'x' else range::varchar end::int as i from range(600000)";
  await expect(countRows(session, sql)).rejects.toThrow("Could not convert string 'x' to INT32");
  expect(await countRows(session, 'select range from range(600000)')).toBe(600_000);
});

it('a stream that is interrupted between two chunks throws', async () => {
  await using duckdb = await openDuckdb(OPTIONS);
  await using session = await duckdb.connect();
  const drain = async () => {
    for await (const _ of (await session.stream('select range from range(3000000)')).chunks)
      session.interrupt();
  };
  await expect(drain()).rejects.toThrow('Interrupted');
});

it('a stream that was left in its middle does not disturb the next statement', async () => {
  await using duckdb = await openDuckdb(OPTIONS);
  await using session = await duckdb.connect();
  for await (const _ of (await session.stream('select range from range(3000000)')).chunks) break;
  expect(await session.rows('select 1 as one')).toEqual([{ one: 1 }]);
  expect(await countRows(session, 'select 1')).toBe(1);
});

it('times are UTC, and long integers and decimals keep their digits', async () => {
  await using duckdb = await openDuckdb(OPTIONS);
  await using session = await duckdb.connect();
  const [row] = await session.rows(
    "select timestamptz '2026-01-01 02:00:00+02' as t, 9007199254740993 as b, 1.10::decimal(4, 2) as d",
  );
  expect(row).toEqual({ t: '2026-01-01 00:00:00+00', b: '9007199254740993', d: '1.10' });
});
