import { z } from 'zod';
import { sqlName } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';

/** A Delta type: the name of a primitive (`string`, `long`, `decimal(p,s)` …) or a nested type. */
export type DeltaType = string | DeltaArray | DeltaStruct | DeltaMap;

interface DeltaArray {
  readonly type: 'array';
  readonly elementType: DeltaType;
  readonly containsNull: boolean;
}

interface DeltaStruct {
  readonly type: 'struct';
  readonly fields: readonly DeltaField[];
}

interface DeltaMap {
  readonly type: 'map';
  readonly keyType: DeltaType;
  readonly valueType: DeltaType;
  readonly valueContainsNull: boolean;
}

export interface DeltaField {
  readonly name: string;
  readonly type: DeltaType;
  readonly nullable: boolean;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** DuckDB's spelling of the primitives; timestamps are instants in microseconds. */
const DUCKDB_OF = new Map([
  ['string', 'VARCHAR'],
  ['long', 'BIGINT'],
  ['integer', 'INTEGER'],
  ['short', 'SMALLINT'],
  ['byte', 'TINYINT'],
  ['float', 'FLOAT'],
  ['double', 'DOUBLE'],
  ['boolean', 'BOOLEAN'],
  ['binary', 'BLOB'],
  ['date', 'DATE'],
  ['timestamp', 'TIMESTAMP WITH TIME ZONE'],
  ['timestamp_ntz', 'TIMESTAMP'],
]);

/** Primitives that a new column may have; `timestamp_ntz` would need a table feature. */
const DELTA_OF = new Map(
  [...DUCKDB_OF].filter(([delta]) => delta !== 'timestamp_ntz').map(([delta, duckdb]) => [duckdb, delta]),
);

const DECIMAL = /^decimal\((\d+),\s*(\d+)\)$/i;

/** A nullable column. */
export function field(name: string, type: DeltaType): DeltaField {
  return { name, type, nullable: true, metadata: {} };
}

/** The fields of a `schemaString`. @throws LAKE_SCHEMA_INVALID */
export function parseSchema(schemaString: string): readonly DeltaField[] {
  try {
    return structSchema.parse(JSON.parse(schemaString)).fields;
  } catch (error) {
    throw fault('LAKE_SCHEMA_INVALID', { schema: schemaString.slice(0, 200) }, error);
  }
}

export function serializeSchema(fields: readonly DeltaField[]): string {
  return JSON.stringify({ type: 'struct', fields });
}

/** The DuckDB type that a column of this Delta type has. @throws LAKE_TYPE_UNSUPPORTED */
export function duckdbType(type: DeltaType): string {
  if (typeof type === 'string') {
    const decimal = DECIMAL.exec(type);
    if (decimal !== null) return `DECIMAL(${decimal[1]},${decimal[2]})`;
    const primitive = DUCKDB_OF.get(type);
    if (primitive === undefined) throw fault('LAKE_TYPE_UNSUPPORTED', { type });
    return primitive;
  }
  if (type.type === 'array') return `${duckdbType(type.elementType)}[]`;
  if (type.type === 'map') return `MAP(${duckdbType(type.keyType)}, ${duckdbType(type.valueType)})`;
  return `STRUCT(${type.fields.map((f) => `${sqlName(f.name)} ${duckdbType(f.type)}`).join(', ')})`;
}

/**
 * The Delta type of a DuckDB type as `DESCRIBE` prints it. Types that Delta lacks (HUGEINT, the type
 * of `sum` over integers; UUID, JSON, unsigned, zoneless or nanosecond timestamps …) must be cast by
 * the query. @throws LAKE_TYPE_UNSUPPORTED
 */
export function deltaType(text: string): DeltaType {
  const type = text.trim();
  if (type.endsWith('[]')) {
    return { type: 'array', elementType: deltaType(type.slice(0, -2)), containsNull: true };
  }
  const nested = /^(STRUCT|MAP)\((.*)\)$/s.exec(type);
  if (nested?.[1] === 'STRUCT') {
    return { type: 'struct', fields: splitTopLevel(nested[2] ?? '').map(structField) };
  }
  if (nested !== null) {
    const [key = '', value = ''] = splitTopLevel(nested[2] ?? '');
    return { type: 'map', keyType: deltaType(key), valueType: deltaType(value), valueContainsNull: true };
  }
  if (DECIMAL.test(type)) return type.toLowerCase().replaceAll(' ', '');
  const primitive = DELTA_OF.get(type);
  if (primitive === undefined) throw fault('LAKE_TYPE_UNSUPPORTED', { type });
  return primitive;
}

/**
 * `current` with the fields that only `wanted` has, at top level or inside structs; undefined when
 * there are none. New fields are nullable. Pure. @throws LAKE_SCHEMA_INCOMPATIBLE when a type differs
 */
export function widenSchema(
  current: readonly DeltaField[],
  wanted: readonly DeltaField[],
): readonly DeltaField[] | undefined {
  const widened = widenFields(current, wanted, '');
  return widened === current ? undefined : widened;
}

/** @throws LAKE_COLUMN_NAME for names that other engines refuse, or that differ only by case */
export function checkColumnNames(fields: readonly DeltaField[]): void {
  const seen = new Set<string>();
  for (const { name, type } of fields) {
    const folded = name.toLowerCase();
    if (name === '' || /[ ,;{}()\n\t=]/.test(name) || seen.has(folded))
      throw fault('LAKE_COLUMN_NAME', { name });
    seen.add(folded);
    if (typeof type !== 'string' && type.type === 'struct') checkColumnNames(type.fields);
  }
}

// === Helpers ===

const typeSchema: z.ZodType<DeltaType> = z.lazy(() =>
  z.union([
    z.string(),
    z.object({ type: z.literal('array'), elementType: typeSchema, containsNull: z.boolean() }),
    z.object({
      type: z.literal('map'),
      keyType: typeSchema,
      valueType: typeSchema,
      valueContainsNull: z.boolean(),
    }),
    structSchema,
  ]),
);

const fieldSchema: z.ZodType<DeltaField> = z.object({
  name: z.string(),
  type: typeSchema,
  nullable: z.boolean(),
  metadata: z.record(z.string(), z.unknown()).default({}),
});

const structSchema = z.object({ type: z.literal('struct'), fields: z.array(fieldSchema) });

function structField(text: string): DeltaField {
  const match = /^\s*(?:"((?:[^"]|"")*)"|(\S+))\s+(.*)$/s.exec(text);
  if (match === null) throw fault('LAKE_TYPE_UNSUPPORTED', { type: text });
  const name = match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"');
  return field(name, deltaType(match[3] ?? ''));
}

/** Splits at the commas that stand in no bracket and no quoted name. */
function splitTopLevel(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quoted = false;
  let start = 0;
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (char === '"') quoted = !quoted;
    if (quoted) continue;
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (char !== ',' || depth > 0) continue;
    parts.push(text.slice(start, i));
    start = i + 1;
  }
  parts.push(text.slice(start));
  return parts.map((part) => part.trim());
}

function widenFields(
  current: readonly DeltaField[],
  wanted: readonly DeltaField[],
  path: string,
): readonly DeltaField[] {
  const wantedByName = new Map(wanted.map((f) => [f.name.toLowerCase(), f]));
  const known = new Set(current.map((f) => f.name.toLowerCase()));
  const kept = current.map((f) => {
    const other = wantedByName.get(f.name.toLowerCase());
    if (other === undefined) return f;
    const type = widenType(f.type, other.type, `${path}${f.name}`);
    return type === f.type ? f : { ...f, type };
  });
  const added = wanted.filter((f) => !known.has(f.name.toLowerCase())).map((f) => ({ ...f, nullable: true }));
  const changed = added.length > 0 || kept.some((f, i) => f !== current[i]);
  return changed ? [...kept, ...added] : current;
}

function widenType(current: DeltaType, wanted: DeltaType, path: string): DeltaType {
  if (typeof current !== 'string' && typeof wanted !== 'string') {
    if (current.type === 'struct' && wanted.type === 'struct') {
      const fields = widenFields(current.fields, wanted.fields, `${path}.`);
      return fields === current.fields ? current : { ...current, fields };
    }
    if (current.type === 'array' && wanted.type === 'array') {
      const elementType = widenType(current.elementType, wanted.elementType, `${path}.element`);
      return elementType === current.elementType ? current : { ...current, elementType };
    }
  }
  if (duckdbType(current) === duckdbType(wanted)) return current;
  throw fault('LAKE_SCHEMA_INCOMPATIBLE', {
    column: path,
    current: duckdbType(current),
    wanted: duckdbType(wanted),
  });
}
