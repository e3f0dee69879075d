import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pruneFiles } from '../../lakehouse/pruning.ts';
import {
  type DeltaType,
  deltaType,
  duckdbType,
  field,
  parseSchema,
  serializeSchema,
  widenSchema,
} from '../../lakehouse/schema.ts';
import { createTable } from '../../lakehouse/table.ts';
import { openTestLake, readRows, type TestLake } from './support.ts';

/** Stages one file of `select` and returns the statistics text of its add. */
async function statsOf(lake: TestLake, types: Record<string, DeltaType>, select: string) {
  const fields = Object.entries(types).map(([name, type]) => field(name, type));
  const table = await createTable(lake, {
    name: `x.t${Math.random().toString(36).slice(2)}`,
    fields,
    partitionColumns: [],
  });
  await using session = await lake.duckdb.connect();
  const [add] = await table.stage({ session, select, partitionValues: {} });
  const base = await table.snapshot();
  await table.commit({ operation: 'WRITE', base, adds: [add!], reads: 'nothing' });
  return { text: add!.stats!, table };
}

describe('statistics of a written file', () => {
  test('bounds are exact where they must be and absent where they cannot be safe', async () => {
    await using lake = await openTestLake();
    const { text } = await statsOf(
      lake,
      {
        big: 'long',
        dec: 'decimal(38,10)',
        at: 'timestamp',
        day: 'date',
        nan: 'double',
        inf: 'double',
        zero: 'double',
        none: 'string',
        flag: 'boolean',
        raw: 'binary',
        list: { type: 'array', elementType: 'long', containsNull: true },
        st: { type: 'struct', fields: [field('x', 'integer'), field('y', 'string')] },
      },
      `SELECT 9223372036854775807 AS big, 1234567890123456789012345678.0000000001::DECIMAL(38,10) AS dec,
        TIMESTAMPTZ '2024-01-01 00:00:00.123456Z' AS at, DATE '2024-02-29' AS day, 'nan'::DOUBLE AS nan,
        'inf'::DOUBLE AS inf, 0.0::DOUBLE AS zero, NULL AS none, true AS flag, 'x'::BLOB AS raw, [1] AS list,
        {'x': 5, 'y': 'é'} AS st
       UNION ALL SELECT -9007199254740993, 0, TIMESTAMPTZ '2023-12-31 23:59:59Z', DATE '2020-01-01', 1.0, 2.0, -0.0, NULL,
        false, NULL, NULL, NULL`,
    );
    expect(text).toContain('"big":-9007199254740993');
    expect(text).toContain('"big":9223372036854775807');
    expect(text).toContain('"dec":1234567890123456789012345678.0000000001');
    expect(text).toContain('"zero":-0.0');
    const stats = JSON.parse(text);
    expect(stats.numRecords).toBe(2);
    expect(stats.minValues).toMatchObject({
      at: '2023-12-31T23:59:59.000000Z',
      day: '2020-01-01',
      st: { x: 5, y: 'é' },
    });
    expect(stats.maxValues.at).toBe('2024-01-01T00:00:00.123456Z');
    for (const column of ['nan', 'inf', 'none', 'flag', 'raw', 'list']) {
      expect(stats.minValues).not.toHaveProperty(column);
      expect(stats.maxValues).not.toHaveProperty(column);
    }
    expect(stats.nullCount).toMatchObject({ big: 0, none: 2, raw: 1, st: { x: 1, y: 1 } });
  });

  test('bounds of long strings stay bounds, whatever the characters', async () => {
    await using lake = await openTestLake();
    const character = fc.constantFrom(
      'a',
      'z',
      '~',
      '\u007f',
      'é',
      '\ud7ff',
      '\uffff',
      '😀',
      '\u{10ffff}',
      '"',
      '\\',
      '\n',
    );
    const longText = fc.string({ unit: character, minLength: 1, maxLength: 90 });
    await fc.assert(
      fc.asyncProperty(fc.array(longText, { minLength: 1, maxLength: 4 }), async (texts) => {
        const values = texts.map(
          (text) => `(decode(from_base64('${Buffer.from(text).toString('base64')}')))`,
        );
        const { text } = await statsOf(
          lake,
          { s: 'string' },
          `SELECT * FROM (VALUES ${values.join(',')}) v(s)`,
        );
        const { minValues, maxValues } = JSON.parse(text);
        for (const value of texts) {
          if (minValues.s !== undefined)
            expect(Buffer.compare(Buffer.from(minValues.s), Buffer.from(value))).toBeLessThanOrEqual(0);
          if (maxValues.s !== undefined)
            expect(Buffer.compare(Buffer.from(maxValues.s), Buffer.from(value))).toBeGreaterThanOrEqual(0);
        }
        if (minValues.s !== undefined) expect([...minValues.s].length).toBeLessThanOrEqual(32);
      }),
      { numRuns: 25 },
    );
  });

  test('only the first 32 leaves have statistics', async () => {
    await using lake = await openTestLake();
    const names = Array.from({ length: 40 }, (_, i) => `c${i}`);
    const { text } = await statsOf(
      lake,
      Object.fromEntries(names.map((name) => [name, 'integer'])),
      `SELECT ${names.map((name) => `1 AS ${name}`).join(', ')}`,
    );
    expect(Object.keys(JSON.parse(text).minValues)).toEqual(names.slice(0, 32));
  });
});

describe('pruning', () => {
  test('never drops a file that holds a row in the range', async () => {
    await using lake = await openTestLake();
    const types = {
      n: 'long',
      d: 'decimal(10,3)',
      s: 'string',
      at: 'timestamp',
      x: 'double',
      day: 'date',
    } as const;
    const fields = Object.entries(types).map(([name, type]) => field(name, type));
    const table = await createTable(lake, { name: 'x.prune', fields, partitionColumns: ['day'] });
    await using session = await lake.duckdb.connect();
    for (let i = 0; i < 6; i += 1) {
      const select = `SELECT ${i} * 10 + j AS n, (${i} * 10 + j) / 8 AS d, repeat('k', 40) || (${i} * 10 + j) AS s,
        TIMESTAMPTZ '2024-01-01 00:00:00Z' + to_microseconds((${i} * 10 + j) * 333) AS at, (${i} - 3) * j / 7 AS x
        FROM range(10) r(j)`;
      const adds = await table.stage({
        session,
        select,
        partitionValues: { day: `2024-01-0${1 + (i % 3)}` },
      });
      await table.commit({ operation: 'WRITE', base: await table.snapshot(), adds, reads: 'nothing' });
    }
    const snapshot = await table.snapshot();
    const cases: Record<string, [string, string][]> = {
      n: [
        ['12', '18'],
        ['0', '0'],
        ['59', '70'],
        ['100', '200'],
      ],
      d: [
        ['1.5', '2.125'],
        ['7.374', '7.375'],
        ['-3', '-1'],
      ],
      s: [
        [`${'k'.repeat(40)}2`, `${'k'.repeat(40)}3`],
        ['l', 'm'],
        ['a', 'b'],
      ],
      at: [
        ['2024-01-01T00:00:00.003Z', '2024-01-01T00:00:00.004Z'],
        ['2025-01-01T00:00:00Z', '2026-01-01T00:00:00Z'],
      ],
      x: [
        ['-1', '-0.5'],
        ['5', '9'],
      ],
      day: [
        ['2024-01-02', '2024-01-02'],
        ['2024-01-04', '2024-02-01'],
      ],
    };
    for (const [column, ranges] of Object.entries(cases)) {
      for (const [min, max] of ranges) {
        const kept = pruneFiles(snapshot, { [column]: { min, max } });
        const typed = (text: string) => `'${text}'::${duckdbType(types[column as 'n'])}`;
        const query = `SELECT count(*) AS n FROM t WHERE "${column}" BETWEEN ${typed(min)} AND ${typed(max)}`;
        const whole = await readRows(lake, snapshot, query);
        const files = new Map(kept.map((add) => [add.path, add]));
        expect(await readRows(lake, { ...snapshot, files }, query), `${column} ${min} ${max}`).toEqual(whole);
      }
    }
    expect(pruneFiles(snapshot, { n: { min: '12', max: '18' } })).toHaveLength(1);
    expect(pruneFiles(snapshot, { n: { min: '100' } })).toHaveLength(0);
    expect(pruneFiles(snapshot, { day: { min: '2024-01-02', max: '2024-01-02' } })).toHaveLength(2);
    expect(pruneFiles(snapshot, { at: { min: '2025-01-01T00:00:00Z' } })).toHaveLength(0);
  });

  test('odd or absent statistics keep the file', async () => {
    await using lake = await openTestLake();
    const { table } = await statsOf(lake, { n: 'long' }, 'SELECT 1 AS n');
    const snapshot = await table.snapshot();
    const [add] = snapshot.files.values();
    const odd = ['{"stats_json":"{}"}', '{"numRecords":1,"minValues":{"n":null}}', '{}', undefined];
    for (const stats of odd) {
      const files = [{ ...add!, stats }];
      expect(pruneFiles(snapshot, { n: { min: '5' } }, files)).toHaveLength(1);
    }
  });
});

describe('types', () => {
  test('a Delta type survives DuckDB and a schema string', async () => {
    const leaf = fc.constantFrom<DeltaType>(
      'string',
      'long',
      'integer',
      'short',
      'byte',
      'float',
      'double',
      'boolean',
      'binary',
      'date',
      'timestamp',
      'decimal(38,9)',
      'decimal(5,0)',
    );
    const name = fc.constantFrom('a', 'B2', 'x y', 'q"t', 'STRUCT(', 'é');
    const { type } = fc.letrec<{ type: DeltaType }>((tie) => ({
      type: fc.oneof(
        { maxDepth: 3 },
        leaf,
        tie('type').map((elementType): DeltaType => ({ type: 'array', elementType, containsNull: true })),
        tie('type').map(
          (valueType): DeltaType => ({ type: 'map', keyType: 'string', valueType, valueContainsNull: true }),
        ),
        fc
          .uniqueArray(fc.tuple(name, tie('type')), { minLength: 1, maxLength: 3, selector: ([n]) => n })
          .map((fields): DeltaType => ({ type: 'struct', fields: fields.map(([n, t]) => field(n, t)) })),
      ),
    }));
    await using lake = await openTestLake();
    await using session = await lake.duckdb.connect();
    await fc.assert(
      fc.asyncProperty(type, async (wanted) => {
        const [row] = await session.rows(`DESCRIBE SELECT NULL::${duckdbType(wanted)} AS c`);
        expect(deltaType(String(row!['column_type']))).toEqual(wanted);
        expect(parseSchema(serializeSchema([field('c', wanted)]))).toEqual([field('c', wanted)]);
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    'HUGEINT',
    'UINTEGER',
    'UUID',
    'JSON',
    'TIMESTAMP',
    'TIMESTAMP_NS',
    'TIME',
    'INTERVAL',
    "ENUM('a')",
    'HUGEINT[]',
  ])('%s is refused with the cast to use', (text) => {
    expect(() => deltaType(text)).toThrow(expect.objectContaining({ code: 'LAKE_TYPE_UNSUPPORTED' }));
  });

  test('widening adds what is new, inside structs too, and refuses another type', () => {
    const st = (...names: string[]): DeltaType => ({
      type: 'struct',
      fields: names.map((n) => field(n, 'long')),
    });
    const current = [field('a', 'long'), field('s', st('x'))];
    expect(widenSchema(current, [field('A', 'long')])).toBeUndefined();
    expect(widenSchema(current, [field('s', st('y')), field('b', 'string')])).toEqual([
      field('a', 'long'),
      field('s', st('x', 'y')),
      field('b', 'string'),
    ]);
    expect(() => widenSchema(current, [field('a', 'string')])).toThrow(
      expect.objectContaining({ code: 'LAKE_SCHEMA_INCOMPATIBLE' }),
    );
  });

  test.each([
    ['two by case', ['a', 'A']],
    ['a comma', ['a,b']],
    ['a space', ['a b']],
    ['none', ['']],
  ])('column names other engines refuse are refused: %s', async (_, names) => {
    await using lake = await openTestLake();
    const fields = names.map((name) => field(name, 'long'));
    await expect(createTable(lake, { name: 'x.names', fields, partitionColumns: [] })).rejects.toMatchObject({
      code: 'LAKE_COLUMN_NAME',
    });
  });

  test('a table is not partitioned by a timestamp', async () => {
    await using lake = await openTestLake();
    const spec = {
      name: 'x.p',
      fields: [field('a', 'long'), field('t', 'timestamp')],
      partitionColumns: ['t'],
    };
    await expect(createTable(lake, spec)).rejects.toMatchObject({ code: 'LAKE_PARTITION_COLUMN' });
  });
});
