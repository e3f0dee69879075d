import { isUtf8 } from 'node:buffer';
import type { Contract, ContractRule } from './contract.ts';
import { type FastPattern, fastPatternOf, timeOfMatch } from './fastPattern.ts';
import { type BadRecord, bad, type Judgement } from './judgement.ts';
import { type JsonTree, NumberText, parseObject, rescuedJson, typeObject } from './strictJson.ts';
import { isArrival, parseInstant, utcDate } from './timestamp.ts';

/** A record as Kafka or a history file has it. */
export interface RawRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** The record's timestamp in milliseconds; negative when it has none. */
  readonly arrivedAtMs: number;
}

/** Judges records of one contract: a pure function of the record. */
export interface Decoder {
  judge(record: RawRecord): Judgement;
  /** The same without the short cut, for those who check the short cut. */
  judgeSlowly(record: RawRecord): Judgement;
}

/** Larger values are bad whatever they hold. */
export const MAX_VALUE_BYTES = 1_048_576;

/** How far a record may lie in the future of its own arrival, in milliseconds. */
const MAX_AHEAD_MS = 5 * 60_000;

/**
 * The one decoder of a contract, for everybody who reads its topic.
 *
 *   bytes → (fast) one pattern over the plainest spelling
 *         → (slow) UTF-8 → JSON → types → key → rules
 *         → time against arrival → Judgement
 */
export function compileDecoder(contract: Contract): Decoder {
  const fast = fastPatternOf(contract);
  const rules = contract.rules.map(compileRule);
  const judgeSlowly = (record: RawRecord) => slowly(record, contract, rules);
  return {
    judgeSlowly,
    judge: (record) =>
      (fast === undefined ? undefined : quickly(record, contract, fast)) ?? judgeSlowly(record),
  };
}

// === Helpers ===

/** hot path. Undefined: nothing is said about the record. */
function quickly({ key, value, arrivedAtMs }: RawRecord, contract: Contract, fast: FastPattern) {
  if (value === null || key === null || value.length > MAX_VALUE_BYTES || !isArrival(arrivedAtMs))
    return undefined;
  const text = value.toString('latin1');
  const match = fast.regexp.exec(text);
  if (match === null || match[fast.keyGroup] !== key.toString('latin1')) return undefined;
  const eventTimeMs = timeOfMatch(match[fast.timeGroup] as string);
  if (timeFault(eventTimeMs, arrivedAtMs, contract) !== undefined) return undefined;
  // The pattern lets nothing through but ASCII: in UTF-8 it is the same text.
  return { kind: 'good', json: value, text, eventTimeMs, rescued: undefined } as const;
}

function slowly(record: RawRecord, contract: Contract, rules: readonly CompiledRule[]): Judgement {
  const { key, value, arrivedAtMs } = record;
  if (!isArrival(arrivedAtMs)) return bad('time', 'NO_ARRIVAL', `timestamp ${arrivedAtMs}`);
  const text = textOf(value);
  if (typeof text !== 'string') return text;
  const parsed = parseObject(text);
  if (parsed.kind === 'bad') return parsed;
  const typed = typeObject(parsed, contract.fields);
  if (typed.kind === 'bad') return typed;
  const broken = keyFault(key, typed.values.get(contract.key)) ?? firstBroken(rules, typed.values);
  if (broken !== undefined) return broken;
  const instant = parseInstant(String(typed.values.get(contract.eventTime)));
  if (instant === undefined) return bad('schema', 'MISSING_FIELD', contract.eventTime);
  const late = timeFault(instant.ms, arrivedAtMs, contract);
  if (late !== undefined) return late;
  const json = Buffer.from(typed.json, 'utf8');
  const rescued = rescuedJson(typed.unknown);
  return { kind: 'good', json, text: typed.json, eventTimeMs: instant.ms, rescued };
}

function textOf(value: Buffer | null): string | BadRecord {
  if (value === null) return bad('value', 'NULL_VALUE', 'the record has no value');
  if (value.length === 0) return bad('value', 'EMPTY_VALUE', 'the value has no bytes');
  if (value.length > MAX_VALUE_BYTES) {
    return bad('value', 'TOO_LARGE', `${value.length} bytes, at most ${MAX_VALUE_BYTES}`);
  }
  if (!isUtf8(value)) return bad('value', 'INVALID_UTF8', 'the value is not UTF-8');
  return value.toString('utf8');
}

/** The record's key must be the text of its field, byte for byte: partitioning stands on it. */
function keyFault(key: Buffer | null, field: JsonTree | undefined): BadRecord | undefined {
  if (key === null) return bad('key', 'MISSING_KEY', 'the record has no key');
  const text = field instanceof NumberText ? String(Number(field.text)) : String(field);
  if (key.equals(Buffer.from(text, 'utf8'))) return undefined;
  return bad('key', 'KEY_MISMATCH', `key ${JSON.stringify(key.toString('utf8').slice(0, 80))}`);
}

function timeFault(eventTimeMs: number, arrivedAtMs: number, contract: Contract): BadRecord | undefined {
  if (eventTimeMs - arrivedAtMs > MAX_AHEAD_MS) {
    return bad('time', 'IN_THE_FUTURE', `${eventTimeMs - arrivedAtMs} ms after its arrival`);
  }
  if (arrivedAtMs - eventTimeMs > contract.maxAgeMs) {
    return bad('time', 'TOO_OLD', `of ${utcDate(eventTimeMs)}, older than ${contract.maxAgeMs} ms`);
  }
  return undefined;
}

interface CompiledRule {
  readonly name: string;
  readonly field: string;
  readonly holds: (value: JsonTree) => boolean;
}

function firstBroken(
  rules: readonly CompiledRule[],
  values: ReadonlyMap<string, JsonTree>,
): BadRecord | undefined {
  for (const { name, field, holds } of rules) {
    const value = values.get(field);
    if (value !== undefined && !holds(value)) return bad('rule', 'RULE_BROKEN', name);
  }
  return undefined;
}

function compileRule({ name, field, check }: ContractRule): CompiledRule {
  return { name, field, holds: compileCheck(check) };
}

function compileCheck(check: ContractRule['check']): (value: JsonTree) => boolean {
  if ('oneOf' in check) {
    const words = new Set(check.oneOf);
    return (value) => typeof value === 'string' && words.has(value);
  }
  if ('pattern' in check) {
    const pattern = new RegExp(check.pattern, 'u');
    return (value) => typeof value === 'string' && pattern.test(value);
  }
  if ('minLength' in check || 'maxLength' in check) {
    const { minLength = 0, maxLength = Number.POSITIVE_INFINITY } = check;
    return (value) => {
      const length = typeof value === 'string' || Array.isArray(value) ? value.length : -1;
      return length >= minLength && length <= maxLength;
    };
  }
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = check as {
    min?: number;
    max?: number;
  };
  return (value) => {
    const number = value instanceof NumberText ? Number(value.text) : Number.NaN;
    return number >= min && number <= max;
  };
}
