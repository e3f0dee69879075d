import type { FeatureInput, WholeInput } from './feature.ts';
import type { Rates } from './featureRates.ts';
import type { FeatureSet } from './featureSet.ts';
import { createTextKey } from './featureTextKey.ts';

/** A good record as the decoder hands it on: the object of its value, its times in milliseconds. */
export interface FeatureRecord {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly eventTimeMs: number;
  readonly arrivedAtMs: number;
}

/** Fills the inputs and times of a row of values. */
export type ReadInputs = (record: FeatureRecord, row: Float64Array) => void;

/** Compiles the inputs of a source for the stream. Text becomes a number of 53 bits, missing NaN. Pure. */
export function compileInputs(set: FeatureSet): ReadInputs {
  const readers = set.inputs.map(({ name, input }) => readerFor(input, set.rates.get(name)));
  const count = readers.length;
  // hot path
  return ({ value, eventTimeMs }, row) => {
    for (let i = 0; i < count; i += 1) row[i] = (readers[i] as Reader)(value);
    row[count] = eventTimeMs;
    row[count + 1] = Math.floor(eventTimeMs / HOUR_MS) % 24;
  };
}

/** The number that stands for a text: equal texts have equal numbers; of others one pair in 2^53. Pure. */
export function textNumber(text: string): number {
  TEXT_KEY.of(text);
  return (TEXT_KEY.high & 0x1fffff) * 2 ** 32 + (TEXT_KEY.low >>> 0);
}

/** The text of an input as it is; undefined where missing, or of another kind. Pure. */
export function compileText(input: FeatureInput): (record: FeatureRecord) => string | undefined {
  if (input.kind !== 'text') return () => undefined;
  const read = memberReader(input.field);
  return ({ value }) => {
    const text = read(value);
    return typeof text === 'string' ? text : undefined;
  };
}

// === Helpers ===

/** The seed is fixed: restored windows hold the numbers that were there before. */
const TEXT_KEY = createTextKey(Uint8Array.of(0x25, 0x45, 0xf4, 0x91, 0x6c, 0x07, 0x89, 0x65));

type Reader = (value: Readonly<Record<string, unknown>>) => number;
const HOUR_MS = 3_600_000;
const MAX_WHOLE = Number.MAX_SAFE_INTEGER;

function readerFor(input: FeatureInput, rates: Rates | undefined): Reader {
  if (input.kind === 'text') {
    const read = memberReader(input.field);
    return (value) => {
      const text = read(value);
      return typeof text === 'string' ? textNumber(text) : Number.NaN;
    };
  }
  if (input.kind === 'number') {
    const read = memberReader(input.field);
    return (value) => numberOf(read(value));
  }
  if (input.kind === 'exchanged') return exchangedReader(input, rates ?? new Map());
  return wholeReader(input);
}

function memberReader(path: string): (value: Readonly<Record<string, unknown>>) => unknown {
  const [first = '', ...rest] = path.split('.');
  if (rest.length === 0) return (value) => value[first];
  return (value) => {
    let found = value[first];
    for (const name of rest) found = (found as Record<string, unknown> | null | undefined)?.[name];
    return found;
  };
}

function numberOf(value: unknown): number {
  if (typeof value === 'number') return value;
  return typeof value === 'boolean' ? Number(value) : Number.NaN;
}

function wholeReader(input: WholeInput): Reader {
  const factor = 10 ** input.scale;
  if (input.kind === 'whole') {
    const read = memberReader(input.field);
    return (value) => bounded(scaled(numberOf(read(value)), factor));
  }
  const read = memberReader(input.field);
  const { each, times } = input;
  return (value) => {
    const items = read(value);
    return Array.isArray(items) ? totalOf(items, { each, times, factor }) : Number.NaN;
  };
}

function scaled(value: number, factor: number): number {
  return Math.floor(value * factor + 0.5);
}

function bounded(whole: number): number {
  return Math.abs(whole) <= MAX_WHOLE ? whole : Number.NaN;
}

/** Exact: in doubles while every step fits, else in BigInt. Items that lack one of the two count nothing. */
function totalOf(
  items: readonly Record<string, unknown>[],
  { each, times, factor }: { readonly each: string; readonly times: string; readonly factor: number },
): number {
  let sum = 0;
  let parts = 0;
  for (const item of items) {
    const part = scaled(numberOf(item[each]), factor) * numberOf(item[times]);
    if (Number.isNaN(part)) continue;
    parts += 1;
    sum += part;
    if (Math.abs(part) > MAX_WHOLE || Math.abs(sum) > MAX_WHOLE)
      return totalInBigInt(items, each, times, factor);
  }
  return parts === 0 ? Number.NaN : sum;
}

function totalInBigInt(
  items: readonly Record<string, unknown>[],
  ...[each, times, factor]: [string, string, number]
): number {
  let sum = 0n;
  for (const item of items) {
    const [one, count] = [scaled(numberOf(item[each]), factor), numberOf(item[times])];
    if (!Number.isNaN(one * count)) sum += BigInt(one) * BigInt(count);
  }
  return bounded(Number(sum));
}

function exchangedReader(input: Extract<FeatureInput, { kind: 'exchanged' }>, rates: Rates): Reader {
  const whole = wholeReader(input.of);
  const by = memberReader(input.by);
  return (value) => {
    const rate = rates.get(by(value) as string);
    return rate === undefined ? Number.NaN : exchanged(whole(value), rate.numerator, rate.denominator);
  };
}

/** `whole` × numerator / denominator, rounded half to even. */
function exchanged(whole: number, numerator: number, denominator: number): number {
  if (denominator === 1 && numerator === 1) return whole;
  const size = Math.abs(whole);
  if (Number.isNaN(size)) return size;
  const product = size * numerator;
  const rounded =
    product <= MAX_WHOLE
      ? roundedHalfEven(product, denominator)
      : Number(roundedHalfEvenBig(BigInt(size) * BigInt(numerator), BigInt(denominator)));
  return bounded(whole < 0 ? -rounded : rounded);
}

function roundedHalfEven(product: number, denominator: number): number {
  const rest = product % denominator;
  const floor = (product - rest) / denominator;
  return floor + (rest * 2 > denominator || (rest * 2 === denominator && floor % 2 === 1) ? 1 : 0);
}

function roundedHalfEvenBig(product: bigint, denominator: bigint): bigint {
  const [floor, rest] = [product / denominator, product % denominator];
  return floor + (rest * 2n > denominator || (rest * 2n === denominator && floor % 2n === 1n) ? 1n : 0n);
}
