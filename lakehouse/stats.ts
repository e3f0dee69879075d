import type { SqlRow } from '../infra/core/duckdb.ts';
import type { DeltaField, DeltaType } from './schema.ts';

/** What DuckDB's `COPY … RETURN_STATS` reports of one file, as needed for its `add` action. */
export interface WrittenFile {
  readonly rows: number;
  readonly bytes: number;
  /** Statistics by quoted column path (`"a"`, `"st"."x"`); all values are text. */
  readonly columns: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

const INDEXED_COLUMNS = 32;
const STRING_PREFIX = 32;
const STRING_PREFIX_LIMIT = 64;
const JSON_NUMBER = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/** Parses a row of `RETURN_STATS`. */
export function writtenFile(row: SqlRow): WrittenFile {
  const columns = new Map<string, Record<string, string>>();
  for (const [path, statistics] of mapEntries(row['column_statistics'])) {
    columns.set(path, Object.fromEntries(mapEntries(statistics)) as Record<string, string>);
  }
  return { rows: Number(row['count']), bytes: Number(row['file_size_bytes']), columns };
}

/**
 * The statistics string of an `add`: bounds of the first 32 leaf columns. A bound may be wider than
 * the data, never narrower; what cannot be bounded is left out. Numbers stay the text that they were,
 * so that longs and decimals lose no digit. Pure.
 */
export function statsText(fields: readonly DeltaField[], file: WrittenFile): string {
  const leaves = indexedLeaves(fields, []).slice(0, INDEXED_COLUMNS);
  const min = new Map<string, string>();
  const max = new Map<string, string>();
  const nulls = new Map<string, string>();
  for (const { path, type } of leaves) {
    const column = file.columns.get(path.map((name) => `"${name.replaceAll('"', '""')}"`).join('.'));
    if (column === undefined) continue;
    const key = JSON.stringify(path);
    if (column['null_count'] !== undefined) nulls.set(key, column['null_count']);
    const bounds = boundsOf(type, column);
    if (bounds === undefined) continue;
    min.set(key, bounds.min);
    if (bounds.max !== undefined) max.set(key, bounds.max);
  }
  const parts = [`"numRecords":${file.rows}`];
  parts.push(`"minValues":${nest(min)}`, `"maxValues":${nest(max)}`, `"nullCount":${nest(nulls)}`);
  return `{${parts.join(',')}}`;
}

// === Helpers ===

type Leaf = { readonly path: readonly string[]; readonly type: string };

/** Primitive columns in schema order; nothing below arrays and maps has statistics. */
function indexedLeaves(fields: readonly DeltaField[], parent: readonly string[]): Leaf[] {
  return fields.flatMap(({ name, type }) => leavesOf(type, [...parent, name]));
}

function leavesOf(type: DeltaType, path: readonly string[]): Leaf[] {
  if (typeof type === 'string') return [{ path, type }];
  return type.type === 'struct' ? indexedLeaves(type.fields, path) : [];
}

/** Both bounds as JSON text; undefined when the type or the values have none that is safe. */
function boundsOf(
  type: string,
  column: Readonly<Record<string, string>>,
): { min: string; max: string | undefined } | undefined {
  const { min, max } = column;
  if (min === undefined || max === undefined || column['has_nan'] === 'true') return undefined;
  if (type === 'string') return { min: JSON.stringify(prefix(min)), max: upperText(max) };
  if (type === 'boolean' || type === 'binary') return undefined;
  const literal = literalOf(type);
  const [low, high] = [literal(min), literal(max)];
  if (low === undefined || high === undefined) return undefined;
  const isFloating = type === 'double' || type === 'float';
  return isFloating
    ? { min: signedZero(low, '-0.0'), max: signedZero(high, '0.0') }
    : { min: low, max: high };
}

function literalOf(type: string): (text: string) => string | undefined {
  if (type === 'date') return (text) => (/^\d{4}-\d\d-\d\d$/.test(text) ? `"${text}"` : undefined);
  if (type === 'timestamp') return (text) => quote(isoMicros(text), 'Z');
  if (type === 'timestamp_ntz') return (text) => quote(isoMicros(text), '');
  return (text) => (JSON_NUMBER.test(text) ? text : undefined);
}

function quote(text: string | undefined, zone: string): string | undefined {
  return text === undefined ? undefined : `"${text}${zone}"`;
}

/** `2024-01-01 00:00:00.5+00` as `2024-01-01T00:00:00.500000`; undefined for infinity and far years. */
function isoMicros(text: string): string | undefined {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00)?$/.exec(text);
  if (match === null) return undefined;
  return `${match[1]}T${match[2]}.${(match[3] ?? '').padEnd(6, '0')}`;
}

/** Zero has two signs: the lower bound takes the negative one, the upper the positive. */
function signedZero(literal: string, zero: string): string {
  return Number(literal) === 0 ? zero : literal;
}

/** The first characters; code points are not split. A prefix is never above its string. */
function prefix(text: string): string {
  return text.length <= STRING_PREFIX ? text : [...text].slice(0, STRING_PREFIX).join('');
}

/**
 * An upper bound of `text` as JSON: itself when short, else a prefix plus a character above the one
 * that follows. Undefined when no such character exists within the limit.
 */
function upperText(text: string): string | undefined {
  const characters = [...text];
  if (characters.length <= STRING_PREFIX) return JSON.stringify(text);
  for (let end = STRING_PREFIX; end < Math.min(characters.length, STRING_PREFIX_LIMIT); end += 1) {
    const next = characters[end]?.codePointAt(0) ?? 0;
    if (next === 0x10ffff) continue;
    const above = next < 0x7f ? '\u007f' : '\u{10ffff}';
    return JSON.stringify(characters.slice(0, end).join('') + above);
  }
  return undefined;
}

/** `{["st","x"]: "1"}` as the text `{"st":{"x":1}}`. */
function nest(values: ReadonlyMap<string, string>): string {
  interface Node extends Map<string, string | Node> {}
  const root: Node = new Map();
  for (const [key, literal] of values) {
    const path = JSON.parse(key) as string[];
    let node = root;
    for (const name of path.slice(0, -1)) {
      const child = node.get(name);
      const next: Node = child instanceof Map ? child : new Map();
      node.set(name, next);
      node = next;
    }
    node.set(path.at(-1) ?? '', literal);
  }
  const print = (node: Node): string =>
    `{${[...node].map(([name, v]) => `${JSON.stringify(name)}:${typeof v === 'string' ? v : print(v)}`).join(',')}}`;
  return print(root);
}

/** DuckDB prints a MAP as a list of `{ key, value }`. */
function mapEntries(value: unknown): [string, unknown][] {
  if (!Array.isArray(value)) return [];
  return value.map((entry: { key: string; value: unknown }) => [entry.key, entry.value]);
}
