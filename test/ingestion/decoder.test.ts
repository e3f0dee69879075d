import { describe, expect, test } from 'vitest';
import { compileDecoder, MAX_VALUE_BYTES, type RawRecord } from '../../ingestion/decoder.ts';
import type { BadCode, Judgement } from '../../ingestion/judgement.ts';
import { ARRIVED_MS, GOOD, PARCELS, recordOf, withFields, withText } from './records.ts';

const decoder = compileDecoder(PARCELS);

describe('a bad record says what is wrong with it', () => {
  const at = (ms: number) => new Date(ms).toISOString();
  const cases: [string, RawRecord, BadCode, string][] = [
    ['no value', recordOf(null), 'NULL_VALUE', 'no value'],
    ['an empty value', recordOf(''), 'EMPTY_VALUE', 'no bytes'],
    ['spaces only', recordOf('  '), 'INVALID_JSON', 'JSON'],
    ['2 MB', recordOf(withFields({ remark: 'x'.repeat(2_000_000) })), 'TOO_LARGE', String(MAX_VALUE_BYTES)],
    ['bytes that are not UTF-8', recordOf(Buffer.from([0x7b, 0xff, 0xfe, 0x7d])), 'INVALID_UTF8', 'UTF-8'],
    ['JSON that is cut off', recordOf(withFields({}).slice(0, -5)), 'INVALID_JSON', 'JSON'],
    ['text after the object', recordOf(`${withFields({})}x`), 'INVALID_JSON', 'JSON'],
    ['a byte order mark', recordOf(`\uFEFF${withFields({})}`), 'INVALID_JSON', 'JSON'],
    ['NaN', recordOf(withText('weight', 'NaN')), 'INVALID_JSON', 'NaN'],
    ['Infinity', recordOf(withText('tilt', 'Infinity')), 'INVALID_JSON', 'I'],
    ['1e999 for a double', recordOf(withText('tilt', '1e999')), 'WRONG_TYPE', 'tilt: expected double'],
    ['1e999 for a decimal', recordOf(withText('weight', '1e999')), 'WRONG_TYPE', 'weight: expected decimal'],
    ['a number in quotes', recordOf(withFields({ weight: '7.5' })), 'WRONG_TYPE', '"7.5"'],
    ['too many decimals', recordOf(withText('weight', '1.0005')), 'WRONG_TYPE', '1.0005'],
    [
      'decimals beyond a double',
      recordOf(withText('weight', '1.000000000000000000001')),
      'WRONG_TYPE',
      '1.0000',
    ],
    ['too many digits', recordOf(withText('weight', '1234567.5')), 'WRONG_TYPE', '1234567.5'],
    ['a fraction for an int', recordOf(withText('stops', '3.0')), 'WRONG_TYPE', 'expected int'],
    ['an exponent for an int', recordOf(withText('stops', '3e2')), 'WRONG_TYPE', 'expected int'],
    ['an int beyond 2^31', recordOf(withText('stops', '2147483648')), 'WRONG_TYPE', 'expected int'],
    ['a long beyond 2^53', recordOf(withText('serial', '9007199254740993')), 'WRONG_TYPE', 'expected long'],
    ['a number for a text', recordOf(withFields({ size: 7 })), 'WRONG_TYPE', 'size: expected string'],
    ['1 for a boolean', recordOf(withFields({ fragile: 1 })), 'WRONG_TYPE', 'fragile: expected boolean'],
    ['an object for an array', recordOf(withFields({ items: {} })), 'WRONG_TYPE', 'items: expected array'],
    ['an array for an object', recordOf(withFields({ hub: [] })), 'WRONG_TYPE', 'hub: expected object'],
    [
      'a wrong type deep inside',
      recordOf(withFields({ items: [{ sku: 'a', price: '1' }] })),
      'WRONG_TYPE',
      'items.0.price',
    ],
    ['a null item', recordOf(withFields({ items: [null] })), 'WRONG_TYPE', 'items.0'],
    ['half of a surrogate pair', recordOf(withFields({ remark: '\ud800' })), 'WRONG_TYPE', 'remark'],
    ['a missing field', recordOf(withFields({ size: undefined })), 'MISSING_FIELD', 'size'],
    ['a null for a required field', recordOf(withFields({ size: null })), 'MISSING_FIELD', 'size'],
    ['a missing field deep inside', recordOf(withFields({ hub: { dock: 1 } })), 'MISSING_FIELD', 'hub.code'],
    ['a missing key field', recordOf(withFields({ sender: undefined })), 'MISSING_FIELD', 'sender'],
    ['no key', recordOf(withFields({}), { key: null }), 'MISSING_KEY', 'no key'],
    ['another key', recordOf(withFields({}), { key: Buffer.from('berta') }), 'KEY_MISMATCH', 'berta'],
    ['an array', recordOf('[1]'), 'NOT_AN_OBJECT', 'array'],
    ['a number', recordOf('7'), 'NOT_AN_OBJECT', 'number'],
    ['null as JSON', recordOf('null'), 'NOT_AN_OBJECT', 'null'],
    ['a thousand levels', recordOf(`${'['.repeat(1_000)}${']'.repeat(1_000)}`), 'TOO_DEEP', 'levels'],
    ['a broken pattern', recordOf(withFields({ parcel: 'de42' })), 'RULE_BROKEN', 'parcel_form'],
    ['a number below its bound', recordOf(withFields({ stops: 0 })), 'RULE_BROKEN', 'stops_range'],
    ['a number above its bound', recordOf(withFields({ stops: 5_001 })), 'RULE_BROKEN', 'stops_range'],
    ['a negative amount', recordOf(withFields({ weight: -1 })), 'RULE_BROKEN', 'weight_range'],
    ['an unknown word', recordOf(withFields({ size: 'xl' })), 'RULE_BROKEN', 'size_known'],
    ['an empty list', recordOf(withFields({ items: [] })), 'RULE_BROKEN', 'items_count'],
    ['a date only', recordOf(withFields({ scanned: '2026-06-15' })), 'WRONG_TYPE', 'scanned'],
    [
      'a time without a zone',
      recordOf(withFields({ scanned: '2026-06-15T11:59:58' })),
      'WRONG_TYPE',
      'scanned',
    ],
    [
      'the 30th of February',
      recordOf(withFields({ scanned: '2026-02-30T00:00:00Z' })),
      'WRONG_TYPE',
      'scanned',
    ],
    ['the word infinity', recordOf(withFields({ scanned: 'infinity' })), 'WRONG_TYPE', 'scanned'],
    ['epoch milliseconds', recordOf(withFields({ scanned: ARRIVED_MS })), 'WRONG_TYPE', 'scanned'],
    ['the future', recordOf(withFields({ scanned: at(ARRIVED_MS + 300_001) })), 'IN_THE_FUTURE', '300001'],
    [
      'too old',
      recordOf(withFields({ scanned: at(ARRIVED_MS - 90 * 86_400_000 - 1) })),
      'TOO_OLD',
      '2026-03-17',
    ],
    ['no arrival', recordOf(withFields({}), { arrivedAtMs: -1 }), 'NO_ARRIVAL', '-1'],
    ['an arrival beyond the calendar', recordOf(withFields({}), { arrivedAtMs: 1e15 }), 'NO_ARRIVAL', '1000'],
  ];

  test.each(cases)('%s', (_name, record, code, detail) => {
    const judgement = decoder.judge(record);
    expect(judgement).toMatchObject({ kind: 'bad', code });
    expect(judgement.kind === 'bad' && judgement.detail).toContain(detail);
    expect(decoder.judgeSlowly(record)).toEqual(judgement);
  });
});

describe('an odd good record is good', () => {
  const text = withFields({});
  const reversed = JSON.stringify(Object.fromEntries(Object.entries(GOOD).reverse()));
  const cases: [string, RawRecord, object][] = [
    ['as it should be', recordOf(text), {}],
    ['pretty-printed', recordOf(JSON.stringify(GOOD, null, 2)), {}],
    ['with its keys in another order', recordOf(reversed), {}],
    ['with escapes', recordOf(text.replace('"m"', '"\\u006d"')), {}],
    ['with text beyond ASCII', recordOf(withFields({ remark: 'Grüße 🎁' })), { remark: 'Grüße 🎁' }],
    ['with a repeated key: the last wins', recordOf(text.replace('{', '{"size":"l",')), {}],
    [
      'without its optional fields',
      recordOf(withFields({ tilt: undefined, remark: null })),
      { tilt: undefined, remark: undefined },
    ],
    ['with a trailing zero', recordOf(withText('weight', '2.5000')), {}],
    ['with an exponent in a decimal', recordOf(withText('weight', '25e-1')), {}],
    ['with a zone', recordOf(withFields({ scanned: '2026-06-15T13:59:58.250+02:00' })), {}],
    [
      'five minutes ahead',
      recordOf(withFields({ scanned: '2026-06-15T12:05:00.000Z' })),
      { scanned: '2026-06-15T12:05:00.000000Z' },
    ],
    [
      'of the 29th of February',
      recordOf(withFields({ scanned: '2028-02-29T10:00:00Z' }), { arrivedAtMs: Date.UTC(2028, 2, 1) }),
      { scanned: '2028-02-29T10:00:00.000000Z' },
    ],
  ];

  test.each(cases)('%s', (_name, record, changes) => {
    const expected = { ...GOOD, scanned: '2026-06-15T11:59:58.250000Z', ...changes };
    expect(fieldsOf(decoder.judge(record))).toEqual(JSON.parse(JSON.stringify(expected)));
  });

  test('unknown fields are kept apart, at every depth, with the digits that they had', () => {
    const value = withFields({
      hub: { code: 'LEJ', gate: 'B' },
      items: [{ sku: 'a', price: 1, note: null }],
    }).replace('{', '{"colour":{"r":0.10,"big":1e400},');
    const judgement = decoder.judge(recordOf(value));
    expect(judgement.kind === 'good' && judgement.rescued).toBe(
      '{"hub.gate":"B","items.0.note":null,"colour":{"r":0.10,"big":1e400}}',
    );
    expect(fieldsOf(judgement)).not.toHaveProperty('colour');
  });

  test('two unknown fields whose paths are spelled alike are both kept', () => {
    const value = withFields({ hub: { code: 'LEJ', gate: 'B' }, 'hub.gate': 'C' });
    const judgement = decoder.judge(recordOf(value));
    expect(judgement.kind === 'good' && judgement.rescued).toBe('{"hub.gate":"B","hub.gate\'":"C"}');
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'a field named %s is only an unknown field',
    (name) => {
      const judgement = decoder.judge(recordOf(withFields({}).replace('{', `{"${name}":{"polluted":true},`)));
      expect(judgement.kind === 'good' && judgement.rescued).toBe(`{"${name}":{"polluted":true}}`);
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    },
  );

  test('inherited names do not stand in for missing fields', () => {
    const inherited = {
      ...PARCELS,
      fields: [...PARCELS.fields, { name: 'valueOf', type: 'string', doc: '' }],
    } as const;
    expect(compileDecoder(inherited).judge(recordOf(withFields({})))).toMatchObject({
      code: 'MISSING_FIELD',
    });
  });

  test('the value is not copied when its plain spelling is what the lake reads', () => {
    const record = recordOf(withFields({ serial: 42 }));
    const judgement = decoder.judge(record);
    expect(judgement.kind === 'good' && judgement.json).toBe(record.value);
  });
});

test('an instant beyond the calendar is no time, in whatever zone it is spelled', () => {
  const due = { name: 'due', type: 'timestamp-micros', doc: 'at the door' } as const;
  const { judge } = compileDecoder({ ...PARCELS, fields: [...PARCELS.fields, due] });
  for (const instant of ['9999-12-31T23:59:59-00:01', '0001-01-01T00:00:00+00:01']) {
    const detail = `due: expected timestamp-micros, got string "${instant}"`;
    expect(judge(recordOf(withFields({ due: instant })))).toMatchObject({ code: 'WRONG_TYPE', detail });
  }
  expect(judge(recordOf(withFields({ due: '9999-12-31T23:59:59.999999Z' }))).kind).toBe('good');
});

test('a judgement is a function of the record: arrival decides, not the clock', () => {
  const record = recordOf(withFields({}));
  expect(decoder.judge({ ...record, arrivedAtMs: ARRIVED_MS + 91 * 86_400_000 })).toMatchObject({
    code: 'TOO_OLD',
  });
  expect(decoder.judge({ ...record, arrivedAtMs: ARRIVED_MS - 86_400_000 })).toMatchObject({
    code: 'IN_THE_FUTURE',
  });
});

test('a million escaped quotes cost no more than reading them', () => {
  const record = recordOf(`{"remark":"${'\\"'.repeat(400_000)}`);
  expect(decoder.judge(record)).toMatchObject({ code: 'INVALID_JSON' });
});

/** The fields that the lake will read; instants in one spelling. */
function fieldsOf(judgement: Judgement): Record<string, unknown> {
  if (judgement.kind !== 'good') throw new Error(JSON.stringify(judgement));
  const fields = JSON.parse(Buffer.from(judgement.json).toString()) as Record<string, unknown>;
  expect(judgement.eventTimeMs).toBe(Date.parse(String(fields['scanned'])));
  return { ...fields, scanned: new Date(judgement.eventTimeMs).toISOString().replace('Z', '000Z') };
}
