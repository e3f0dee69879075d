import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Duckdb, openDuckdb, type SqlSession } from '../../infra/core/duckdb.ts';
import { isFault } from '../../infra/core/errorCatalog.ts';
import { admitStatement, caret } from '../../lakehouse/sqlGatewayAst.ts';
import { BENIGN, HOSTILE } from './sqlGatewayStatements.ts';

let duckdb: Duckdb;
let parser: SqlSession;

beforeAll(async () => {
  duckdb = await openDuckdb({ memoryBytes: 64 * 2 ** 20, threads: 1 });
  parser = await duckdb.connect();
});
afterAll(async () => {
  await parser[Symbol.asyncDispose]();
  await duckdb[Symbol.asyncDispose]();
});

const tables = async (sql: string) =>
  (await admitStatement(parser, sql)).map(({ schema, table }) => `${schema}.${table}`);

describe('the gate', () => {
  it.each(HOSTILE.filter(({ by }) => by === 'gate'))('refuses: $sql', async ({ sql }) => {
    await expect(admitStatement(parser, sql)).rejects.toMatchObject({ code: 'SQL_REFUSED' });
  });

  it.each(BENIGN)('lets through: $sql', async ({ sql }) => {
    await expect(admitStatement(parser, sql)).resolves.toBeDefined();
  });

  it('names each table with its place, and no CTE that is in scope', async () => {
    const sql = 'with a as (select * from silver.x) select * from a join gold."Y 1" using (k)';
    expect(await admitStatement(parser, sql)).toEqual([
      { schema: 'silver', table: 'x', offset: sql.indexOf('silver.x') },
      { schema: 'gold', table: 'Y 1', offset: sql.indexOf('gold."Y 1"') },
    ]);
  });

  it('does not let a CTE lend its name outside of its query', async () => {
    const sql = 'select * from (with "/etc/passwd" as (select 1) select 1), "/etc/passwd"';
    expect(await tables(sql)).toEqual(['./etc/passwd']);
  });

  it('finds tables in subqueries, set operations, modifiers and recursive CTEs', async () => {
    const sql = `with recursive r(n) as (select 1 union all select n + 1 from r, gold.a)
      select (select max(v) from gold.b) from r where exists (from gold.c)
      union all select 1 from gold.d order by (select 1 from gold.e)`;
    expect((await tables(sql)).sort()).toEqual(['gold.a', 'gold.b', 'gold.c', 'gold.d', 'gold.e']);
  });

  it('shows where the syntax is wrong', async () => {
    const error = await admitStatement(parser, 'select 1\nfrom gold.t wehre é = 1 2').catch(
      (e: unknown) => e,
    );
    expect(isFault(error, 'SQL_SYNTAX') && error.message).toMatch(/LINE 2: from gold\.t wehre é = 1 2\n +\^/);
  });

  it('puts the caret under the character, not under the byte', () => {
    const sql = "select 'é', x";
    expect(caret(sql, Buffer.byteLength("select 'é', "))).toBe(
      "\n\nLINE 1: select 'é', x\n                    ^",
    );
  });

  it('refuses chains of operators that would plan for minutes', async () => {
    const chain = `select ${Array.from({ length: 400 }, () => '1').join(' + ')}`;
    await expect(admitStatement(parser, chain)).rejects.toMatchObject({ code: 'SQL_REFUSED' });
    const joins = `select 1 from ${Array.from({ length: 61 }, (_, i) => `gold.t a${i}`).join(', ')}`;
    await expect(admitStatement(parser, joins)).rejects.toMatchObject({ code: 'SQL_REFUSED' });
    const long = `select '${'x'.repeat(70_000)}'`;
    await expect(admitStatement(parser, long)).rejects.toMatchObject({ code: 'SQL_REFUSED' });
  });
});
