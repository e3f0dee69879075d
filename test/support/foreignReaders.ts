import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { query } from 'chdb';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { expect } from 'vitest';
import { fileKey } from '../../lakehouse/actions.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { scan } from '../../lakehouse/scan.ts';
import type { DeltaField, DeltaType } from '../../lakehouse/schema.ts';
import type { Snapshot } from '../../lakehouse/snapshot.ts';
import type { LakeTable } from '../../lakehouse/table.ts';

/**
 * Readers that share no line of code with us: ClickHouse with the Delta kernel reads log and files,
 * hyparquet reads the files. ClickHouse opens only what lies in the working directory.
 */

/** Demands that both readers see our rows, all of them and in full. `root` is the lake's directory. */
export async function expectAgreement(
  lake: Lake,
  table: LakeTable,
  { root, state, version }: { readonly root: string; readonly state: string; readonly version?: number },
): Promise<void> {
  const snapshot = await table.snapshot(version === undefined ? undefined : { version });
  const columns = snapshot.schema.map(({ name, type }) =>
    type === 'binary' ? `hex("${name}") AS "${name}"` : `"${name}"`,
  );
  await using session = await lake.duckdb.connect();
  await using rows = await scan(lake, snapshot);
  const ours = await session.rows(`SELECT ${columns.join(', ')} FROM ${rows.sql}`);
  const expected = canonicalRows(snapshot.schema, ours);
  expect(canonicalRows(snapshot.schema, readWithClickHouse(root, snapshot)), `${state}, ClickHouse`).toEqual(
    expected,
  );
  const files = await readWithHyparquet(root, snapshot);
  const rounded = canonicalRows(snapshot.schema, ours, true);
  expect(canonicalRows(snapshot.schema, files, true), `${state}, hyparquet`).toEqual(rounded);
}

// === Helpers ===

function readWithClickHouse(root: string, snapshot: Snapshot): Record<string, unknown>[] {
  const columns = snapshot.schema.map(({ name, type }) =>
    type === 'binary' ? `hex(${name}) AS ${name}` : name,
  );
  const settings = [
    `delta_lake_snapshot_version=${snapshot.version}`,
    'output_format_json_quote_64bit_integers=1',
    'output_format_json_quote_decimals=1',
    'output_format_decimal_trailing_zeros=1',
  ];
  const text = query(
    `SELECT ${columns.join(', ')} FROM deltaLakeLocal('${join(root, snapshot.path)}') SETTINGS ${settings.join(', ')}`,
    'JSONEachRow',
  );
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

async function readWithHyparquet(root: string, snapshot: Snapshot): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for (const add of snapshot.files.values()) {
    const body = await readFile(join(root, snapshot.path, fileKey(add.path)));
    const file = body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength) as ArrayBuffer;
    const parsers = {
      timestampFromMilliseconds: (ms: bigint) => isoMicros(ms * 1_000n),
      timestampFromMicroseconds: isoMicros,
      timestampFromNanoseconds: (ns: bigint) => isoMicros(ns / 1_000n),
      dateFromDays: (days: number) => new Date(days * 86_400_000).toISOString().slice(0, 10),
      stringFromBytes: (bytes: Uint8Array) => bytes && new TextDecoder().decode(bytes),
    };
    const read = await parquetReadObjects({ file, compressors, utf8: false, parsers: parsers as never });
    const partition = Object.fromEntries(
      Object.entries(add.partitionValues).map(([k, v]) => [k, v === '' ? null : v]),
    );
    rows.push(...read.map((row) => ({ ...row, ...partition })));
  }
  return rows;
}

function isoMicros(micros: bigint): string {
  const ms = (micros - (((micros % 1_000n) + 1_000n) % 1_000n)) / 1_000n;
  const iso = new Date(Number(ms)).toISOString();
  return `${iso.slice(0, -1)}${String(((micros % 1_000n) + 1_000n) % 1_000n).padStart(3, '0')}`;
}

/** Sorted JSON of each row in one spelling. `rounded`: a reader that gives decimals as doubles. */
function canonicalRows(schema: readonly DeltaField[], rows: readonly object[], rounded = false): string[] {
  return rows
    .map((row) => {
      const values = row as Record<string, unknown>;
      return JSON.stringify(
        Object.fromEntries(schema.map(({ name, type }) => [name, canonical(type, values[name], rounded)])),
      );
    })
    .sort();
}

/** ClickHouse has no null structs, arrays and maps: they read as empty. */
function canonical(type: DeltaType, value: unknown, rounded: boolean): unknown {
  if (typeof type === 'string')
    return value === null || value === undefined ? null : canonicalLeaf(type, value, rounded);
  if (type.type === 'array')
    return ((value ?? []) as unknown[]).map((v) => canonical(type.elementType, v, rounded));
  if (type.type === 'map') {
    const entries = Array.isArray(value)
      ? value.map((entry: { key: string; value: unknown }) => [entry.key, entry.value] as const)
      : Object.entries(value ?? {});
    return entries.map(([k, v]) => [k, canonical(type.valueType, v, rounded)]).sort();
  }
  const fields = (value ?? {}) as Record<string, unknown>;
  return Object.fromEntries(type.fields.map((f) => [f.name, canonical(f.type, fields[f.name], rounded)]));
}

function canonicalLeaf(type: string, value: unknown, rounded: boolean): unknown {
  if (type === 'long' || type === 'integer') return String(value);
  if (type.startsWith('decimal')) return rounded ? Number(value).toPrecision(12) : String(value);
  if (type === 'double' || type === 'boolean') return value;
  if (type === 'binary')
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex').toUpperCase() : value;
  if (type !== 'timestamp') return String(value);
  const [whole = '', fraction = ''] = String(value).replace('T', ' ').replace(/\+00$/, '').split('.');
  return `${whole}.${fraction.padEnd(6, '0')}`;
}
