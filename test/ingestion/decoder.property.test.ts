import fc from 'fast-check';
import { expect, test } from 'vitest';
import { paymentContent } from '../../infra/content.ts';
import type { Contract, ContractField, FieldType } from '../../ingestion/contract.ts';
import { compileDecoder, type RawRecord } from '../../ingestion/decoder.ts';
import { fastPatternOf } from '../../ingestion/fastPattern.ts';
import { ARRIVED_MS, PARCELS, recordOf as recordOfText, withFields } from './records.ts';

const CONTRACTS = [PARCELS, ...paymentContent.contracts];

test('every contract that ships has a fast path', () => {
  expect(CONTRACTS.filter((contract) => fastPatternOf(contract) === undefined)).toEqual([]);
});

test.each(CONTRACTS.map((contract) => [contract.topic, contract] as const))(
  'the fast path says nothing that the slow path does not say: %s',
  (_topic, contract) => {
    const decoder = compileDecoder(contract);
    let fast = 0;
    const records = recordOf(contract);
    fc.assert(
      fc.property(records, (record) => {
        const judgement = decoder.judge(record);
        const slow = decoder.judgeSlowly(record);
        if (judgement.kind === 'bad' || judgement.json !== record.value) {
          expect(judgement).toEqual(slow);
          return;
        }
        fast += 1;
        expect(slow).toMatchObject({ kind: 'good', eventTimeMs: judgement.eventTimeMs, rescued: undefined });
        expect(valuesOf(contract, judgement.json)).toEqual(
          valuesOf(contract, slow.kind === 'good' ? slow.json : Buffer.of()),
        );
      }),
      { numRuns: 1_500 },
    );
    // A property about the fast path has to have met it.
    expect(fast).toBeGreaterThan(50);
  },
);

test('no byte of a record can be changed, added or removed so that the paths differ', () => {
  const decoder = compileDecoder(PARCELS);
  const plain = recordOfText(withFields({ serial: 42 }));
  const bytes = plain.value ?? Buffer.of();
  expect(decoder.judge(plain)).toMatchObject({ kind: 'good', json: bytes });
  const pieces = [
    '',
    '\\',
    '"',
    '\n',
    '\0',
    '\x7f',
    ' ',
    '0',
    '9',
    '-',
    '.',
    'e',
    'A',
    'z',
    ',',
    '}',
    '\u0080',
    'ß',
  ];
  for (let at = 0; at < bytes.length; at += 1) {
    for (const piece of pieces) {
      for (const rest of [at, at + 1]) {
        const value = Buffer.concat([bytes.subarray(0, at), Buffer.from(piece), bytes.subarray(rest)]);
        const record = { ...plain, value };
        const [judgement, slow] = [decoder.judge(record), decoder.judgeSlowly(record)];
        const isFast = judgement.kind === 'good' && judgement.json === value;
        if (!isFast) expect(judgement).toEqual(slow);
        else
          expect({ value: String(value), ...slow }).toMatchObject({
            kind: 'good',
            eventTimeMs: judgement.eventTimeMs,
          });
      }
    }
  }
});

/** Compact JSON of the contract, most of it valid, then now and then a byte or so changed. */
function recordOf(contract: Contract): fc.Arbitrary<RawRecord> {
  const object = fc.tuple(...contract.fields.map((field) => member(contract, field))).map((members) => {
    const present = members.filter((one) => one !== undefined);
    return `{${present.join(',')}}`;
  });
  return fc.tuple(object, damage()).map(([text, damaged]) => {
    const key = new RegExp(`"${contract.key}":"?([^",}]*)`).exec(text)?.[1] ?? '';
    return { key: Buffer.from(key), value: Buffer.from(damaged(text)), arrivedAtMs: ARRIVED_MS };
  });
}

function member(contract: Contract, field: ContractField): fc.Arbitrary<string | undefined> {
  const checks = contract.rules.filter((rule) => rule.field === field.name).map(({ check }) => check);
  const isTime = field.name === contract.eventTime;
  const plain = (isTime ? instants() : textOf(field.type, checks)).map((text) => `"${field.name}":${text}`);
  if (!field.optional) return plain;
  return fc.oneof({ weight: 3, arbitrary: plain }, fc.constantFrom(undefined, `"${field.name}":null`));
}

function textOf(
  type: FieldType,
  checks: readonly Contract['rules'][number]['check'][],
): fc.Arbitrary<string> {
  const [check = {}] = checks;
  if (type === 'string') {
    if ('oneOf' in check) return often(fc.constantFrom(...check.oneOf).map(quoted), fc.string().map(quoted));
    if ('pattern' in check)
      return often(fc.stringMatching(new RegExp(check.pattern)).map(quoted), fc.string().map(quoted));
    return often(
      fc.stringMatching(/^[a-zA-Z0-9 .:_-]{1,8}$/).map(quoted),
      fc.string({ unit: 'grapheme' }).map(quoted),
    );
  }
  if (type === 'boolean')
    return often(fc.constantFrom('true', 'false'), fc.constantFrom('1', '"true"', 'null'));
  if (type === 'timestamp-micros') return instants();
  if (type === 'int' || type === 'long' || type === 'double') return numbers();
  if (type.type === 'decimal') return numbers();
  if (type.type === 'array') {
    return fc
      .array(textOf(type.items, []), { minLength: 1, maxLength: 3 })
      .map((items) => `[${items.join(',')}]`);
  }
  return fc
    .tuple(...type.fields.map((field) => member({ rules: [], eventTime: '' } as unknown as Contract, field)))
    .map((members) => `{${members.filter((one) => one !== undefined).join(',')}}`);
}

function numbers(): fc.Arbitrary<string> {
  const odd = [
    '-0',
    '0.0',
    '-0.00',
    '1e2',
    '1.50',
    '00',
    '1.',
    '.5',
    '+1',
    '2147483648',
    '9007199254740993',
    '1e999',
    '"7.5"',
    '1.005',
    '123456789012345.67',
    '0.99999999999999999999',
    '90.0000',
    '1000.001',
  ];
  return fc.oneof(
    { weight: 16, arbitrary: fc.integer({ min: 1, max: 60 }).map(String) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 99_999 }).map((n) => String(n / 100)) },
    { weight: 1, arbitrary: fc.integer({ min: -(2 ** 33), max: 2 ** 33 }).map(String) },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
  );
}

function instants(): fc.Arbitrary<string> {
  const odd = [
    '"2026-02-29T00:00:00Z"',
    '"2028-02-29T00:00:00Z"',
    '"2026-06-31T00:00:00Z"',
    '"2026-06-15T24:00:00Z"',
    '"2026-06-15T11:00:60Z"',
    '"2026-06-15T11:00:00.1234567Z"',
    '"2026-06-15T11:00:00.12Z"',
    '"2026-06-15T11:00:00z"',
    '"2026-06-15T13:00:00+02:00"',
    '"infinity"',
    '1781524800000',
    'null',
  ];
  const near = fc
    .integer({ min: -100 * 86_400_000, max: 600_000 })
    .map((ms) => `"${new Date(ARRIVED_MS + ms).toISOString()}"`);
  const recent = fc
    .integer({ min: -80 * 86_400_000, max: 0 })
    .map((ms) => `"${new Date(ARRIVED_MS + ms).toISOString()}"`);
  return fc.oneof({ weight: 12, arbitrary: recent }, near, fc.constantFrom(...odd));
}

/** What happens to the text afterwards. */
function damage(): fc.Arbitrary<(text: string) => string> {
  const insert = fc.tuple(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.constantFrom(' ', '\n', '"', '\\', ',', '{', '}', '\u0000', 'é', '\u2028', '0', '-', 'e', '"x":1,'),
  );
  return fc.oneof(
    { weight: 12, arbitrary: fc.constant((text: string) => text) },
    insert.map(([where, piece]) => (text: string) => {
      const at = Math.floor(where * text.length);
      return text.slice(0, at) + piece + text.slice(at);
    }),
    fc.double({ min: 0, max: 1, noNaN: true }).map((where) => (text: string) => {
      const at = Math.floor(where * text.length);
      return text.slice(0, at) + text.slice(at + 1);
    }),
  );
}

function often<T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 24, arbitrary: usual }, { weight: 1, arbitrary: rare });
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

/** What the lake will read of it: numbers by value, instants by time, nulls as if absent. */
function valuesOf(contract: Contract, json: Uint8Array): unknown {
  const read = (value: unknown, type: FieldType): unknown => {
    if (type === 'timestamp-micros') return Date.parse(String(value));
    if (typeof type === 'string' || type.type === 'decimal') return value;
    if (type.type === 'array') return (value as unknown[]).map((item) => read(item, type.items));
    return readFields(value as Record<string, unknown>, type.fields);
  };
  const readFields = (object: Record<string, unknown>, fields: readonly ContractField[]) =>
    fields.map(({ name, type }) =>
      object[name] === undefined || object[name] === null ? null : read(object[name], type),
    );
  return readFields(JSON.parse(Buffer.from(json).toString('utf8')), contract.fields);
}
