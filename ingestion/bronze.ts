import { sqlName, sqlText } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import { type DeltaField, type DeltaType, duckdbType, field } from '../lakehouse/schema.ts';
import type { Contract, ContractField, FieldType } from './contract.ts';

/**
 * The bronze table of a contract, and how lines become its rows. A line is the record's own JSON object
 * with a few members in front, under names that no contract may use:
 *
 *   {"_p":3,"_o":41,"_t":1767225600000,"a":"x","b":1}        a good record
 *   {"_p":3,"_o":42,"_t":1767225600000,"_k":"key","_e":{…},"_r":"base64 of the value"}    a bad one
 */
const LINE_COLUMNS = {
  partition: '_p',
  offset: '_o',
  arrivedAtMs: '_t',
  /** Only of bad records: a good one's key is its key field. */
  key: '_k',
  headers: '_h',
  rescued: '_x',
  error: '_e',
  rawBase64: '_r',
} as const;

/** The partition column: date of arrival in UTC. */
export const ARRIVAL_DATE = 'arrival_date';

const ERROR_TYPE: DeltaType = {
  type: 'struct',
  fields: [field('code', 'string'), field('stage', 'string'), field('detail', 'string')],
};

/** Columns of the bronze table, the partition column last. @throws CONTRACT_INVALID */
export function bronzeFields(contract: Contract): readonly DeltaField[] {
  checkContract(contract);
  return [
    field('_topic', 'string'),
    field('_topic_id', 'string'),
    field('_partition', 'integer'),
    field('_offset', 'long'),
    field('_key', 'string'),
    field('_headers', 'string'),
    field('_arrived_at', 'timestamp'),
    field('_ingested_at', 'timestamp'),
    field('_schema_id', 'integer'),
    field('_rescued', 'string'),
    field('_error', ERROR_TYPE),
    field('_raw', 'binary'),
    ...contract.fields.map(bronzeField),
    field(ARRIVAL_DATE, 'date'),
  ];
}

/** A query that gives the rows of a file of lines, in the columns of the bronze table. Pure. */
export function bronzeSelect(
  contract: Contract,
  source: {
    readonly path: string;
    /** Bytes of the longest line: what the reader has to hold at once. */
    readonly longestLine: number;
    readonly topicId: string;
    readonly ingestedAtMs: number;
  },
): string {
  const { path, longestLine, topicId, ingestedAtMs } = source;
  const c = LINE_COLUMNS;
  const fields = contract.fields.map(({ name }) => sqlName(name));
  const lines = [
    `${sqlText(contract.topic)} AS _topic`,
    `${sqlText(topicId)} AS _topic_id`,
    `${c.partition} AS _partition`,
    `${c.offset} AS _offset`,
    `CASE WHEN ${c.error} IS NULL THEN CAST(${sqlName(contract.key)} AS VARCHAR) ELSE ${c.key} END AS _key`,
    `${c.headers} AS _headers`,
    `make_timestamptz(${c.arrivedAtMs} * 1000) AS _arrived_at`,
    `make_timestamptz(${ingestedAtMs} * 1000) AS _ingested_at`,
    `${contract.version} AS _schema_id`,
    `${c.rescued} AS _rescued`,
    `${c.error} AS _error`,
    `from_base64(${c.rawBase64}) AS _raw`,
    ...fields,
  ];
  const options = [
    sqlText(path),
    `format = 'newline_delimited'`,
    `columns = ${lineColumns(contract)}`,
    `maximum_object_size = ${Math.max(longestLine + 1, MIN_OBJECT_BYTES)}`,
  ];
  return `SELECT ${lines.join(', ')} FROM read_json(${options.join(', ')})`;
}

// === Helpers ===

/** The reader's buffer is twice its largest object. */
const MIN_OBJECT_BYTES = 1_048_576;

function bronzeField({ name, type, doc }: ContractField): DeltaField {
  return { ...field(name, deltaTypeOf(type)), metadata: { comment: doc } };
}

function deltaTypeOf(type: FieldType): DeltaType {
  if (typeof type === 'string') return PRIMITIVES[type];
  if (type.type === 'decimal') return `decimal(${type.precision},${type.scale})`;
  if (type.type === 'array')
    return { type: 'array', elementType: deltaTypeOf(type.items), containsNull: true };
  return { type: 'struct', fields: type.fields.map(bronzeField) };
}

const PRIMITIVES: Record<Extract<FieldType, string>, string> = {
  string: 'string',
  int: 'integer',
  long: 'long',
  double: 'double',
  boolean: 'boolean',
  'timestamp-micros': 'timestamp',
};

function lineColumns(contract: Contract): string {
  const c = LINE_COLUMNS;
  const columns: [string, string][] = [
    [c.partition, 'INTEGER'],
    [c.offset, 'BIGINT'],
    [c.arrivedAtMs, 'BIGINT'],
    [c.key, 'VARCHAR'],
    [c.headers, 'VARCHAR'],
    [c.rescued, 'VARCHAR'],
    [c.error, duckdbType(ERROR_TYPE)],
    [c.rawBase64, 'VARCHAR'],
    ...contract.fields.map(({ name, type }): [string, string] => [name, duckdbType(deltaTypeOf(type))]),
  ];
  return `{${columns.map(([name, type]) => `${sqlName(name)}: ${sqlText(type)}`).join(', ')}}`;
}

function checkContract(contract: Contract): void {
  const { topic, fields, key, eventTime, rules } = contract;
  const byName = new Map(fields.map((f) => [f.name, f]));
  const reserved = fields.find(({ name }) => name.startsWith('_') || name === ARRIVAL_DATE)?.name;
  const keyType = byName.get(key)?.type ?? 'nothing';
  const problems = [
    ...(byName.size < fields.length ? ['a field is there twice'] : []),
    ...(reserved === undefined ? [] : [`the name ${reserved} is reserved`]),
    ...(['string', 'int', 'long'].includes(String(keyType))
      ? []
      : [`the key ${key} must be a text or integer`]),
    ...(byName.get(eventTime)?.type === 'timestamp-micros' ? [] : [`${eventTime} must be a timestamp`]),
    ...rules.filter((rule) => !byName.has(rule.field)).map((rule) => `rule ${rule.name} has no field`),
  ];
  if (problems.length > 0) throw fault('CONTRACT_INVALID', { topic, problems: problems.join('; ') });
}
