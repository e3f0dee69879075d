import { describe, expect, test } from 'vitest';
import { parseModel } from '../../transforms/model.ts';
import { canonicalSql, parseSql, renderSql, splitArguments } from '../../transforms/sqlTemplate.ts';
import { codeOf } from './support.ts';

const HEADER = `-- name: gold.sensors
-- description: Totals of a sensor,
--   by day.
-- grain: sensor, day
-- owner: lab
-- kind: key(sensor, day)
-- partitioned by: day
-- touched by silver.readings:
--   select sensor, day
--   from changed
-- reads silver.readings: day in (select day from touched)
-- audit not_null(sensor): row error
-- audit accepted_values(unit, 'c', 'f, or k'): set warn
-- audit sane: row warn total > 0
`;

const BODY = `select
  sensor, -- which one
  day, -- its day
  sum(value) as total -- of the day
from ref('silver.readings') where touched(sensor, day)`;

describe('a model file', () => {
  const model = parseModel('gold/sensors.sql', HEADER + BODY);

  test('its header says what the model is', () => {
    expect(model).toMatchObject({
      name: 'gold.sensors',
      description: 'Totals of a sensor,\nby day.',
      grain: ['sensor', 'day'],
      owner: 'lab',
      kind: { kind: 'key', keys: ['sensor', 'day'] },
      partitionedBy: ['day'],
    });
    expect([...model.touchedBy.keys(), ...model.reads.keys()]).toEqual([
      'silver.readings',
      'silver.readings',
    ]);
  });

  test('its audits have scope, severity and arguments', () => {
    expect(
      model.audits.map(({ test: name, arguments: args, scope, severity }) => [name, args, scope, severity]),
    ).toEqual([
      ['not_null', ['sensor'], 'row', 'error'],
      ['accepted_values', ['unit', "'c'", "'f, or k'"], 'set', 'warn'],
      ['sane', [], 'row', 'warn'],
    ]);
  });

  test('comments behind output columns are their documentation', () => {
    expect(Object.fromEntries(model.columnDocs)).toEqual({
      sensor: 'which one',
      day: 'its day',
      total: 'of the day',
    });
  });

  test.each([
    ['no kind', HEADER.replace(/-- kind.*\n/, ''), "no 'kind'"],
    ['an unknown kind', HEADER.replace('key(sensor, day)', 'merge(sensor)'), 'is none of view, table'],
    ['a key without columns', HEADER.replace('key(sensor, day)', 'key'), 'names no column'],
    ['first without an order', HEADER.replace('key(sensor, day)', 'first(sensor)'), 'is none of view'],
    ['a name without a layer', HEADER.replace('gold.sensors', 'sensors'), 'layer.table'],
    ['a line that is no entry', `-- hello\n${HEADER}`, "no 'key: value'"],
    ['an entry twice', `${HEADER}-- owner: x\n`, "'owner' twice"],
    ['an audit without severity', `${HEADER}-- audit unique(day): set\n`, 'row|set error|warn'],
  ])('%s is refused with the reason', (_, header, reason) => {
    expect(() => parseModel('x.sql', header + BODY)).toThrow(reason);
  });

  test('a header without a query is refused', () => {
    try {
      parseModel('x.sql', HEADER);
      expect.unreachable();
    } catch (error) {
      expect(codeOf(error)).toContain('model file x.sql: there is no query');
    }
  });
});

describe('SQL with references', () => {
  const render = (sql: string) =>
    renderSql(parseSql(sql), { relation: (r) => `<${r.kind} ${r.name}>`, touched: (e) => `[${e}]` });

  test('references inside texts, names and comments are none', () => {
    expect(
      render(`select 'ref(''a.b'')', "ref('a.b')" -- ref('a.b')\nfrom /* ref('a.b') */ ref( 'a.b' )`),
    ).toBe(`select 'ref(''a.b'')', "ref('a.b')"\nfrom <ref a.b>`);
  });

  test('touched takes expressions with parentheses and quotes', () => {
    expect(render(`where touched(date_trunc('hour', ts), ')' || x) and y`)).toBe(
      `where [date_trunc('hour', ts), ')' || x] and y`,
    );
  });

  test('a comment keeps the words on its sides apart', () => {
    expect(canonicalSql(parseSql('select/* all */a,b -- two\nfrom t'))).toBe('select a,b from t');
  });

  test('layout and comments do not make another definition, words do', () => {
    const one = canonicalSql(parseSql(`select a,\n  b -- why\nfrom ref('x.y')`));
    expect(canonicalSql(parseSql(`select a, b from ref('x.y')`))).toBe(one);
    expect(canonicalSql(parseSql(`select a, c from ref('x.y')`))).not.toBe(one);
    expect(canonicalSql(parseSql(`select 'a  b'`))).not.toBe(canonicalSql(parseSql(`select 'a b'`)));
  });

  test('arguments are split outside quotes and parentheses', () => {
    expect(splitArguments(`a, f(b, c), 'd, e'`)).toEqual(['a', 'f(b, c)', `'d, e'`]);
  });
});
