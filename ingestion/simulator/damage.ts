import { at, type Rng } from './prng.ts';

/** A record that no contract accepts. */
export interface DamagedRecord {
  readonly kind: string;
  readonly key: string | null;
  readonly value: string | Uint8Array | null;
}

/** Spoils a good record in one of the ways that producers do. Pure but for `rng`. */
export function damageRecord(rng: Rng, record: { key: string; value: string }): DamagedRecord {
  const [kind, spoil] = at(WAYS, rng.int(0, WAYS.length - 1));
  return { kind, key: record.key, ...spoil(record) };
}

// === Helpers ===

type Spoil = (record: { key: string; value: string }) => Partial<Omit<DamagedRecord, 'kind'>> & {
  value: DamagedRecord['value'];
};

const MONEY = /"(amount|price)":[\d.]+/;
const TIME = /"timestamp":"[^"]+"/;

const WAYS: readonly (readonly [string, Spoil])[] = [
  ['cut_short', ({ value }) => ({ value: value.slice(0, Math.floor(value.length * 0.6)) })],
  ['not_json', () => ({ value: 'ERROR 500 upstream timed out' })],
  ['empty', () => ({ value: '' })],
  ['no_value', () => ({ value: null })],
  ['number_as_text', ({ value }) => ({ value: value.replace(MONEY, '"$1":"7.5"') })],
  ['not_a_number', ({ value }) => ({ value: value.replace(MONEY, '"$1":NaN') })],
  ['too_large_number', ({ value }) => ({ value: value.replace(MONEY, '"$1":1e999') })],
  ['field_missing', ({ value }) => ({ value: value.replace(/"transaction_id":"\w+",/, '') })],
  ['key_differs', ({ value, key }) => ({ value, key: `${key}X` })],
  ['no_key', ({ value }) => ({ value, key: null })],
  ['far_future', ({ value }) => ({ value: value.replace(TIME, '"timestamp":"2099-01-01T00:00:00.000Z"') })],
  ['too_old', ({ value }) => ({ value: value.replace(TIME, '"timestamp":"2001-01-01T00:00:00.000Z"') })],
  ['not_utf8', ({ value }) => ({ value: Buffer.concat([Buffer.from(value.slice(0, -2)), NOT_UTF8]) })],
];

const NOT_UTF8 = Buffer.from([0xc3, 0x28, 0x22, 0x7d]);
