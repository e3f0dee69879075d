import { randomUUID } from 'node:crypto';
import { type SqlSession, sqlName } from '../infra/core/duckdb.ts';
import type { AddFile } from './actions.ts';
import type { Lake } from './lake.ts';
import { FILE_COLUMN, type Scan, scan } from './scan.ts';
import { type DeltaField, duckdbType } from './schema.ts';
import type { Snapshot } from './snapshot.ts';
import { stagePartitions } from './stage.ts';

export interface MergeRequest {
  readonly session: SqlSession;
  /** Relation (what may follow FROM) with the new row of each key; one row a key. */
  readonly source: string;
  readonly keys: readonly string[];
  /**
   * Relation of the keys that were recomputed. A key of it that `source` lacks is deleted. By default
   * the keys of `source`, so that nothing is.
   */
  readonly touched?: string;
  /** Only these files can hold touched keys; all live files by default. */
  readonly files?: readonly AddFile[];
  readonly orderBy?: string;
  readonly schema?: readonly DeltaField[];
}

/** Staged files and the files that they replace; all empty when no row differs. */
export interface StagedMerge {
  readonly adds: readonly AddFile[];
  readonly removes: readonly AddFile[];
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
}

/**
 * Stages a merge by key. Only files that hold a changed or deleted row are rewritten, without it; new
 * rows come in new files; rows that are as they were cause no write. Steps, with their shapes:
 * 1. current: (keys, file, isSame) of each live row whose key was touched
 * 2. changed: (keys) of the rows that differ from their source row or have none
 * 3. output: rows of the rewritten files without the changed keys, and the source rows that are new or
 *    changed, cut by partition.
 */
export async function stageMerge(lake: Lake, base: Snapshot, request: MergeRequest): Promise<StagedMerge> {
  const { session } = request;
  const temporary = (name: string) => sqlName(`merge_${name}_${randomUUID()}`);
  const names = { current: temporary('current'), written: temporary('written') };
  const options = { withFileName: true, ...(request.files === undefined ? {} : { files: request.files }) };
  await using target = await scan(lake, base, options);
  await session.run(`CREATE TEMP TABLE ${names.current} AS ${currentSql(base, request, target)}`);
  await session.run(`CREATE TEMP TABLE ${names.written} AS ${writtenSql(base, request, names.current)}`);
  try {
    const counts = await countRows(session, names);
    if (counts.inserted + counts.updated + counts.deleted === 0) return { adds: [], removes: [], ...counts };
    const removes = await rewrittenFiles(session, names.current, target);
    await keepUnchanged(lake, base, { request, names, removes });
    const { orderBy, schema } = request;
    const adds = await stagePartitions(lake, base, {
      session,
      select: `SELECT * FROM ${names.written}`,
      ...(orderBy === undefined ? {} : { orderBy }),
      ...(schema === undefined ? {} : { schema }),
    });
    return { adds, removes, ...counts };
  } finally {
    await session.run(`DROP TABLE ${names.written}`);
    await session.run(`DROP TABLE ${names.current}`);
  }
}

// === Helpers ===

interface Names {
  readonly current: string;
  readonly written: string;
}

/** (keys, _file, is_same, is_deleted) of the live rows with a touched key. */
function currentSql(base: Snapshot, request: MergeRequest, target: Scan): string {
  const wanted = request.schema ?? base.schema;
  const known = new Set(base.schema.map((f) => f.name));
  const same = wanted
    .filter((f) => !request.keys.includes(f.name))
    .map(({ name }) => {
      const current = known.has(name) ? `t.${sqlName(name)}` : 'NULL';
      return `${current} IS NOT DISTINCT FROM s.${sqlName(name)}`;
    });
  const keys = request.keys.map((key) => `t.${sqlName(key)}`).join(', ');
  const touched = request.touched ?? request.source;
  return `SELECT ${keys}, t.${FILE_COLUMN}, s.present IS NOT NULL AND ${['true', ...same].join(' AND ')} AS is_same,
      s.present IS NULL AS is_deleted
    FROM ${target.sql} AS t
    SEMI JOIN ${touched} AS k ON ${onKeys(request.keys, 't', 'k')}
    LEFT JOIN (SELECT *, true AS present FROM ${typedSource(base, request)}) AS s ON ${onKeys(request.keys, 't', 's')}`;
}

/** The source in the types of the table: a value that only storing would round must not look changed. */
function typedSource(base: Snapshot, request: MergeRequest): string {
  const columns = (request.schema ?? base.schema).map(
    ({ name, type }) => `CAST(${sqlName(name)} AS ${duckdbType(type)}) AS ${sqlName(name)}`,
  );
  return `(SELECT ${columns.join(', ')} FROM ${request.source})`;
}

/** Source rows that are new or differ from the live one. */
function writtenSql(base: Snapshot, request: MergeRequest, current: string): string {
  const columns = (request.schema ?? base.schema).map((f) => `s.${sqlName(f.name)}`).join(', ');
  return `SELECT ${columns} FROM ${typedSource(base, request)} AS s
    ANTI JOIN (FROM ${current} WHERE is_same) AS c ON ${onKeys(request.keys, 's', 'c')}`;
}

async function countRows(session: SqlSession, names: Names) {
  const [row] = await session.rows(`SELECT
      (SELECT count(*) FROM ${names.written}) AS written,
      (SELECT count(*) FROM ${names.current} WHERE NOT is_same AND NOT is_deleted) AS updated,
      (SELECT count(*) FROM ${names.current} WHERE is_deleted) AS deleted`);
  const updated = Number(row?.['updated']);
  return { inserted: Number(row?.['written']) - updated, updated, deleted: Number(row?.['deleted']) };
}

async function rewrittenFiles(session: SqlSession, current: string, target: Scan): Promise<AddFile[]> {
  const rows = await session.rows(`SELECT DISTINCT ${FILE_COLUMN} FROM ${current} WHERE NOT is_same`);
  return rows.flatMap((row) => target.fileOf(String(row[FILE_COLUMN])) ?? []);
}

/** Adds the other rows of the files that are rewritten to the rows to write. */
async function keepUnchanged(
  lake: Lake,
  base: Snapshot,
  parts: { readonly request: MergeRequest; readonly names: Names; readonly removes: readonly AddFile[] },
): Promise<void> {
  const { request, names, removes } = parts;
  if (removes.length === 0) return;
  await using rewritten = await scan(lake, base, { files: removes });
  await request.session.run(`INSERT INTO ${names.written} BY NAME
    SELECT r.* FROM ${rewritten.sql} AS r
    ANTI JOIN (FROM ${names.current} WHERE NOT is_same) AS c ON ${onKeys(request.keys, 'r', 'c')}`);
}

function onKeys(keys: readonly string[], left: string, right: string): string {
  return keys
    .map((key) => `${left}.${sqlName(key)} IS NOT DISTINCT FROM ${right}.${sqlName(key)}`)
    .join(' AND ');
}
