import { expect, it } from 'vitest';
import { openDuckdb, type SqlStream } from '../../infra/core/duckdb.ts';
import { formatAnswer, type SqlFormat } from '../../lakehouse/sqlGatewayFormat.ts';

async function textOf(sql: string, format: SqlFormat): Promise<string> {
  await using duckdb = await openDuckdb({ memoryBytes: 64 * 2 ** 20, threads: 1 });
  await using session = await duckdb.connect();
  return await joined(await session.stream(sql), format);
}

async function joined(answer: SqlStream, format: SqlFormat): Promise<string> {
  let text = '';
  for await (const piece of formatAnswer(answer, format)) text += piece;
  return text;
}

const DIGITS = `select 9007199254740993::bigint as b, 1.10::decimal(38, 2) as d, 'NaN'::double as f, 1.5::double as g,
  170141183460469231731687303715884105727::hugeint as h, null as n, {'a': 1::bigint} as s, true as t`;

it('JSON is one array, a row a line, with every digit of integers and decimals', async () => {
  const text = await textOf(DIGITS, 'json');
  expect(text).toBe(
    '[\n{"b":9007199254740993,"d":1.10,"f":"NaN","g":1.5,"h":170141183460469231731687303715884105727,"n":null,"s":{"a":"1"},"t":true}\n]\n',
  );
  expect(JSON.parse(text)).toHaveLength(1);
  expect(await textOf('select 1 as x where false', 'json')).toBe('[]\n');
  expect(JSON.parse(await textOf('select range as x from range(5000)', 'json'))).toHaveLength(5_000);
});

it('CSV quotes as RFC 4180 says, and tells NULL from the empty text', async () => {
  const sql = `select 'a,b' as x, 'say "hi"' as "y,z", null as n, '' as e, 'two\nlines' as l, [1, 2] as a`;
  expect(await textOf(sql, 'csv')).toBe('x,"y,z",n,e,l,a\r\n"a,b","say ""hi""",,"","two\nlines","[1,2]"\r\n');
});

it('a table aligns numbers to the right and keeps one row on one line', async () => {
  const sql = `from (values ('a', 1, 1.5), ('two' || chr(10) || 'x', 10, null)) t(name, n, v)`;
  expect(await textOf(sql, 'table')).toBe(
    ['name     n     v', '------  --  ----', 'a        1   1.5', 'two\\nx  10  NULL', ''].join('\n'),
  );
});

it('a table shows control characters instead of sending them to the terminal', async () => {
  expect(await textOf("select 'x' || chr(27) || '[31m' as c", 'table')).toContain('x\\x1b[31m');
});

it('a table of many rows starts before its end is known', async () => {
  let fetched = 0;
  async function* endless() {
    for (;;) {
      fetched += 1;
      yield Array.from({ length: 600 }, () => ['v']);
    }
  }
  const columns = [{ name: 'x', type: 'VARCHAR' }];
  for await (const piece of formatAnswer({ columns, chunks: endless() }, 'table')) {
    expect(piece.split('\n')).toHaveLength(2 + 1_200 + 1);
    break;
  }
  expect(fetched).toBe(2);
});

it('an array whose rows break off stays open', async () => {
  async function* breaking() {
    yield [['a']];
    throw new Error('gone');
  }
  let text = '';
  const drain = async () => {
    const columns = [{ name: 'x', type: 'VARCHAR' }];
    for await (const piece of formatAnswer({ columns, chunks: breaking() }, 'json')) text += piece;
  };
  await expect(drain()).rejects.toThrow('gone');
  expect(text).toBe('[\n{"x":"a"}');
});
