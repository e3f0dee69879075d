import type { Contract, ContractField, ContractRule, FieldType } from './contract.ts';

/**
 * One regular expression that matches the plainest spelling of a contract's records: compact JSON,
 * fields in the contract's order, printable ASCII without escapes, short numbers. It accepts less than
 * the contract allows, never more: what it does not match is judged by the slow path.
 *
 *   {"a":"x","b":1}  with key a  →  /^\{"a":"(?<key>…)","b":…\}$/
 */
export interface FastPattern {
  readonly regexp: RegExp;
  /** Numbers of the capture groups. */
  readonly keyGroup: number;
  readonly timeGroup: number;
}

/** Undefined when the contract's shape cannot be told by such a pattern. Pure. */
export function fastPatternOf(contract: Contract): FastPattern | undefined {
  const parts = contract.fields.map((field, index) => {
    const rules = contract.rules.filter((rule) => rule.field === field.name);
    const value = valuePattern(field.type, rules);
    const isCaptured = field.name === contract.key || field.name === contract.eventTime;
    if (isCaptured && field.optional) return undefined;
    return memberPattern(field, isCaptured ? captureInside(field.type, value) : value, index === 0);
  });
  if (parts.includes(undefined) || contract.key === contract.eventTime) return undefined;
  const order = contract.fields.map(({ name }) => name);
  const keyFirst = order.indexOf(contract.key) < order.indexOf(contract.eventTime);
  return {
    regexp: new RegExp(`^\\{${parts.join('')}\\}$`),
    keyGroup: keyFirst ? 1 : 2,
    timeGroup: keyFirst ? 2 : 1,
  };
}

/** Milliseconds of a time that the pattern matched: `YYYY-MM-DDTHH:MM:SS[.f…]Z`. */
export function timeOfMatch(text: string): number {
  const days = daysOf(text);
  const clock = (two(text, 11) * 60 + two(text, 14)) * 60_000 + two(text, 17) * 1_000;
  return days * 86_400_000 + clock + millisOf(text);
}

// === Helpers ===

/** Printable ASCII but quote and backslash: one byte a character, nothing escaped. */
const SAFE = '[ !#-\\[\\]-~]';

const TIME_OF_DAY = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?Z';
/** Every year has these days; the 29th of February is left to the slow path. */
const MONTH_DAY = [
  '(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])',
  '(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)',
  '02-(?:0[1-9]|1\\d|2[0-8])',
].join('|');
const INSTANT = `"[12]\\d{3}-(?:${MONTH_DAY})T${TIME_OF_DAY}"`;

function memberPattern(
  field: ContractField,
  value: string | undefined,
  isFirst: boolean,
): string | undefined {
  if (value === undefined || !/^\w+$/.test(field.name)) return undefined;
  const name = `"${field.name}":`;
  if (!field.optional) return `${isFirst ? '' : ','}${name}${value}`;
  return isFirst ? undefined : `(?:,${name}(?:null|${value}))?`;
}

/** The group is inside the quotes of a text. */
function captureInside(type: FieldType, value: string | undefined): string | undefined {
  if (type === 'string' || type === 'timestamp-micros') return value && `"(${value.slice(1, -1)})"`;
  return type === 'int' || type === 'long' ? value && `(${value})` : undefined;
}

function valuePattern(type: FieldType, rules: readonly ContractRule[]): string | undefined {
  const checks = rules.map(({ check }) => check);
  if (type === 'string') return stringPattern(checks);
  if (type === 'timestamp-micros') return checks.length === 0 ? INSTANT : undefined;
  if (type === 'boolean') return checks.length === 0 ? '(?:true|false)' : undefined;
  if (type === 'int') return numberPattern(checks, { whole: 9, fraction: '' });
  if (type === 'long') return numberPattern(checks, { whole: 15, fraction: '' });
  if (type === 'double') return numberPattern(checks, { whole: 15, fraction: '(?:\\.\\d{1,17})?' });
  if (type.type === 'decimal') {
    const fraction = type.scale === 0 ? '' : `(?:\\.\\d{1,${type.scale}})?`;
    return numberPattern(checks, { whole: type.precision - type.scale, fraction });
  }
  return type.type === 'array' ? arrayPattern(type.items, checks) : recordPattern(type.fields, checks);
}

function stringPattern(checks: readonly ContractRule['check'][]): string | undefined {
  if (checks.length === 0) return `"${SAFE}*"`;
  const [check] = checks;
  if (checks.length > 1 || check === undefined) return undefined;
  if ('oneOf' in check) {
    const plain = check.oneOf.every((word) => /^[\w-]*$/.test(word));
    return plain ? `"(?:${check.oneOf.join('|')})"` : undefined;
  }
  if ('pattern' in check) {
    // Only classes of letters, digits, _ and - with a count: whatever they match is safe.
    const inner = /^\^((?:\[[\w-]+\](?:\{\d+(?:,\d*)?\}|[+*?])?|[\w-])+)\$$/.exec(check.pattern)?.[1];
    return inner === undefined ? undefined : `"${inner}"`;
  }
  const length = lengthOf(check);
  return length === undefined ? undefined : `"${SAFE}{${length.min},${length.max}}"`;
}

/**
 * Bounds become counts of digits: a number with so many digits is surely within them. A minus before
 * a zero is left to the slow path, which has no negative zero.
 */
function numberPattern(
  checks: readonly ContractRule['check'][],
  digits: { readonly whole: number; readonly fraction: string },
): string | undefined {
  const bounds = checks.map((check) => ('min' in check || 'max' in check ? check : undefined));
  if (bounds.includes(undefined)) return undefined;
  const min = Math.max(...bounds.map((bound) => bound?.min ?? Number.NEGATIVE_INFINITY));
  const max = Math.min(...bounds.map((bound) => bound?.max ?? Number.POSITIVE_INFINITY));
  const least = min <= 1 ? 1 : Math.ceil(Math.log10(min)) + 1;
  const most = mostDigits(max, digits);
  const sign = min === Number.NEGATIVE_INFINITY && max === Number.POSITIVE_INFINITY ? '-?' : '';
  const zero = min <= 0 && max >= 1 ? ['0'] : [];
  const counted = most >= least ? [`${sign}[1-9]\\d{${least - 1},${most - 1}}`] : [];
  const wholes = [...zero, ...counted];
  return wholes.length === 0 ? undefined : `(?:${wholes.join('|')})${digits.fraction}`;
}

/** A fraction may round up to the next power of ten; a whole number cannot. */
function mostDigits(max: number, digits: { readonly whole: number; readonly fraction: string }): number {
  const slack = digits.fraction === '' ? 1 : 0;
  let most = 0;
  while (most < digits.whole && 10 ** (most + 1) - slack <= max) most += 1;
  return most;
}

function arrayPattern(items: FieldType, checks: readonly ContractRule['check'][]): string | undefined {
  const item = valuePattern(items, []);
  const length = checks.length === 0 ? { min: 0, max: '' } : lengthOf(checks[0] ?? {});
  if (item === undefined || length === undefined || checks.length > 1) return undefined;
  const more = length.max === '' ? '' : Number(length.max) - 1;
  const list = `(?:${item})(?:,(?:${item})){${Math.max(length.min - 1, 0)},${more}}`;
  return length.min === 0 ? `\\[(?:${list})?\\]` : `\\[${list}\\]`;
}

function recordPattern(
  fields: readonly ContractField[],
  checks: readonly ContractRule['check'][],
): string | undefined {
  const members = fields.map((field, index) =>
    memberPattern(field, valuePattern(field.type, []), index === 0),
  );
  return checks.length > 0 || members.includes(undefined) ? undefined : `\\{${members.join('')}\\}`;
}

function lengthOf(check: ContractRule['check']): { min: number; max: number | '' } | undefined {
  if ('min' in check || 'max' in check || 'oneOf' in check || 'pattern' in check) return undefined;
  const { minLength = 0, maxLength = '' } = check as { minLength?: number; maxLength?: number };
  return maxLength !== '' && maxLength < Math.max(minLength, 1)
    ? undefined
    : { min: minLength, max: maxLength };
}

let lastDay = '';
let lastDays = 0;

/** Days since 1970-01-01; neighbouring records mostly share their day. */
function daysOf(text: string): number {
  const day = text.slice(0, 10);
  if (day !== lastDay) {
    lastDays = Date.parse(`${day}T00:00:00Z`) / 86_400_000;
    lastDay = day;
  }
  return lastDays;
}

function two(text: string, at: number): number {
  return text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 528;
}

/** The first three digits of the second's fraction. */
function millisOf(text: string): number {
  const end = text.length - 1;
  if (end <= 20) return 0;
  let millis = 0;
  for (let at = 20; at < 23; at += 1) millis = millis * 10 + (at < end ? text.charCodeAt(at) - 48 : 0);
  return millis;
}
