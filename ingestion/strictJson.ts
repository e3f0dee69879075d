import type { ContractField, FieldType } from './contract.ts';
import { type BadRecord, bad } from './judgement.ts';
import { formatInstant, parseInstant } from './timestamp.ts';

/**
 * The definition of what a record's JSON must be: `JSON.parse` reads it (the last of repeated keys
 * wins), then each field is checked strictly against its type and written again, canonically:
 *
 *   text → tree of values, numbers with their own text → canonical JSON of the contract's fields
 *                                                       + unknown fields by path
 */

/** A JSON number with the digits that the producer wrote: exactness is judged on them. */
export class NumberText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): unknown {
    return rawJson(this.text);
  }
}

export type JsonTree = null | boolean | string | NumberText | JsonTree[] | { [key: string]: JsonTree };

export interface ParsedObject {
  readonly kind: 'parsed';
  readonly tree: { [key: string]: JsonTree };
}

export interface TypedObject {
  readonly kind: 'typed';
  /** Canonical JSON text of the fields. */
  readonly json: string;
  /** Top-level values by name; absent and null fields are missing. */
  readonly values: ReadonlyMap<string, JsonTree>;
  /** Unknown fields by path; empty when there are none. */
  readonly unknown: ReadonlyMap<string, JsonTree>;
}

/** Objects and arrays inside each other; deeper ones are no record of ours and would cost stack. */
const MAX_DEPTH = 64;

/** Reads `text` as one JSON object. Pure. */
export function parseObject(text: string): ParsedObject | BadRecord {
  if (depthOf(text) > MAX_DEPTH) return bad('value', 'TOO_DEEP', `more than ${MAX_DEPTH} levels`);
  let tree: JsonTree;
  try {
    tree = parseWithSource(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return bad('value', 'INVALID_JSON', error.message.slice(0, 200));
  }
  if (isObject(tree)) return { kind: 'parsed', tree };
  return bad('value', 'NOT_AN_OBJECT', `got ${describe(tree)}`);
}

/** Checks an object against fields and writes it canonically. Pure. */
export function typeObject(
  { tree }: ParsedObject,
  fields: readonly ContractField[],
): TypedObject | BadRecord {
  const unknown = new Map<string, JsonTree>();
  const json = writeRecord(tree, fields, { path: '', unknown });
  if (typeof json !== 'string') return json;
  const values = new Map<string, JsonTree>();
  for (const { name } of fields) {
    const value = own(tree, name);
    if (value !== undefined && value !== null) values.set(name, value);
  }
  return { kind: 'typed', json, values, unknown };
}

/** Unknown fields as one JSON object; numbers keep the producer's digits. */
export function rescuedJson(unknown: ReadonlyMap<string, JsonTree>): string | undefined {
  if (unknown.size === 0) return undefined;
  const members = [...unknown].map(([path, value]) => `${JSON.stringify(path)}:${JSON.stringify(value)}`);
  return `{${members.join(',')}}`;
}

// === Helpers ===

interface Place {
  readonly path: string;
  readonly unknown: Map<string, JsonTree>;
}

function writeRecord(
  tree: { [key: string]: JsonTree },
  fields: readonly ContractField[],
  place: Place,
): string | BadRecord {
  const members: string[] = [];
  for (const field of fields) {
    const value = own(tree, field.name);
    if (value === undefined || value === null) {
      if (field.optional) continue;
      return bad('schema', 'MISSING_FIELD', `${place.path}${field.name}`);
    }
    const json = writeValue(value, field.type, { ...place, path: `${place.path}${field.name}` });
    if (typeof json !== 'string') return json;
    members.push(`${JSON.stringify(field.name)}:${json}`);
  }
  const known = new Set(fields.map(({ name }) => name));
  for (const name of Object.keys(tree)) {
    if (known.has(name)) continue;
    let path = `${place.path}${name}`;
    // A dot in a name can spell the path of another field: both stay.
    while (place.unknown.has(path)) path += "'";
    place.unknown.set(path, own(tree, name) ?? null);
  }
  return `{${members.join(',')}}`;
}

function writeValue(value: JsonTree, type: FieldType, place: Place): string | BadRecord {
  if (typeof type === 'string') return WRITERS[type](value) ?? wrongType(value, type, place.path);
  if (type.type === 'decimal') {
    const text = value instanceof NumberText ? exactDecimal(value.text, type) : undefined;
    return text ?? wrongType(value, `decimal(${type.precision},${type.scale})`, place.path);
  }
  if (type.type === 'record') {
    if (!isObject(value)) return wrongType(value, 'object', place.path);
    return writeRecord(value, type.fields, { ...place, path: `${place.path}.` });
  }
  if (!Array.isArray(value)) return wrongType(value, 'array', place.path);
  const items: string[] = [];
  for (const [index, item] of value.entries()) {
    const json = writeValue(item, type.items, { ...place, path: `${place.path}.${index}` });
    if (typeof json !== 'string') return json;
    items.push(json);
  }
  return `[${items.join(',')}]`;
}

/** Canonical JSON of a value that is of the type, else undefined. */
const WRITERS: Record<Extract<FieldType, string>, (value: JsonTree) => string | undefined> = {
  // A lone surrogate is no text in any encoding that the lake uses.
  string: (value) => (typeof value === 'string' && value.isWellFormed() ? JSON.stringify(value) : undefined),
  int: (value) => integer(value, (n) => n >= -(2 ** 31) && n < 2 ** 31),
  long: (value) => integer(value, Number.isSafeInteger),
  double: (value) => {
    const number = value instanceof NumberText ? Number(value.text) : Number.NaN;
    return Number.isFinite(number) ? JSON.stringify(number) : undefined;
  },
  boolean: (value) => (typeof value === 'boolean' ? String(value) : undefined),
  'timestamp-micros': (value) => {
    const instant = typeof value === 'string' ? parseInstant(value) : undefined;
    return instant === undefined ? undefined : `"${formatInstant(instant)}"`;
  },
};

function integer(value: JsonTree, inRange: (n: number) => boolean): string | undefined {
  if (!(value instanceof NumberText) || !/^-?\d+$/.test(value.text)) return undefined;
  const number = Number(value.text);
  return inRange(number) ? String(number) : undefined;
}

/** Plain digits of a number that fits precision and scale without rounding. */
function exactDecimal(text: string, type: { precision: number; scale: number }): string | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  // Far exponents cannot fit; they must not become strings of that length.
  if (Math.abs(Number(exponent)) > 400) return undefined;
  const digits = `${whole}${fraction}`;
  const point = whole.length + Number(exponent);
  const padded = point > 0 ? digits.padEnd(point, '0') : `${'0'.repeat(-point)}${digits}`;
  const integral = padded.slice(0, Math.max(point, 0)).replace(/^0+/, '');
  const decimals = padded.slice(Math.max(point, 0)).replace(/0+$/, '');
  if (decimals.length > type.scale || integral.length > type.precision - type.scale) return undefined;
  const plain = `${integral === '' ? '0' : integral}${decimals === '' ? '' : `.${decimals}`}`;
  return plain === '0' ? plain : `${sign}${plain}`;
}

function wrongType(value: JsonTree, expected: string, path: string): BadRecord {
  return bad('schema', 'WRONG_TYPE', `${path}: expected ${expected}, got ${describe(value)}`);
}

function describe(value: JsonTree): string {
  if (value === null) return 'null';
  if (value instanceof NumberText) return `number ${value.text.slice(0, 40)}`;
  if (Array.isArray(value)) return 'array';
  return typeof value === 'string' ? `string ${JSON.stringify(value.slice(0, 40))}` : typeof value;
}

function own(tree: { [key: string]: JsonTree }, name: string): JsonTree | undefined {
  return Object.hasOwn(tree, name) ? tree[name] : undefined;
}

function isObject(tree: JsonTree): tree is { [key: string]: JsonTree } {
  return typeof tree === 'object' && tree !== null && !Array.isArray(tree) && !(tree instanceof NumberText);
}

/** Most brackets open at once, outside strings; of text that need not be JSON. One pass, no stack. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) at = endOfString(text, at);
    else depth += DEPTH_STEP[char] ?? 0;
    if (depth > deepest) deepest = depth;
  }
  return deepest;
}

/** Index of the quote that ends the string which starts at `start`, or the text's length. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** `[` and `{` open, `]` and `}` close. */
const DEPTH_STEP: Readonly<Record<number, number>> = { 91: 1, 93: -1, 123: 1, 125: -1 };

/** The standard library's source text access, which the compiler's library does not know yet. */
interface JsonWithSource {
  parse(
    text: string,
    reviver: (key: string, value: JsonTree, context: { source?: string }) => JsonTree,
  ): JsonTree;
  rawJSON(text: string): unknown;
}

function parseWithSource(text: string): JsonTree {
  return (JSON as unknown as JsonWithSource).parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined ? new NumberText(source) : value,
  );
}

function rawJson(text: string): unknown {
  return (JSON as unknown as JsonWithSource).rawJSON(text);
}
