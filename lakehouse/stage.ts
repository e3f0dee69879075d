import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type SqlSession, sqlName, sqlText } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import type { AddFile, PartitionValues } from './actions.ts';
import type { Lake } from './lake.ts';
import { type DeltaField, duckdbType } from './schema.ts';
import type { Snapshot } from './snapshot.ts';
import { statsText, type WrittenFile, writtenFile } from './stats.ts';

export interface StageRequest {
  readonly session: SqlSession;
  /** A query whose columns include all of the table's but the partition columns; others are dropped. */
  readonly select: string;
  /** The partition that all rows belong to; `{}` for a table without partitions. */
  readonly partitionValues: PartitionValues;
  /** SQL of an ORDER BY, so that statistics of files are narrow. */
  readonly orderBy?: string;
  /**
   * The columns to write when they are not the table's: wider (the commit that follows brings the new
   * schema) or narrower (the columns that are left out read as null).
   */
  readonly schema?: readonly DeltaField[];
  /** False for files that only re-arrange rows. */
  readonly dataChange?: boolean;
  /** Rows that the writer holds at once: fewer need less memory, more are read faster. */
  readonly rowGroupRows?: number;
}

/**
 * Writes the rows of a query as one data file, cast to the schema, and puts it into the store under
 * a name of its own. The file is not part of the table until a commit adds it; after a crash it is
 * an orphan that vacuum removes. No rows: no file.
 */
export async function stageFile(lake: Lake, snapshot: Snapshot, request: StageRequest): Promise<AddFile[]> {
  const fields = dataFields(request.schema ?? snapshot.schema, snapshot.partitionColumns);
  const name = `part-00000-${randomUUID()}.c000.zstd.parquet`;
  const localPath = join(lake.stagingDir, name);
  try {
    const written = await copyToParquet(request, fields, localPath);
    if (written.rows === 0) return [];
    checkNotNull(snapshot.table, fields, written);
    const path = `${partitionDirectory(snapshot.partitionColumns, request.partitionValues)}${name}`;
    lake.crashPoint('before-data-put');
    await lake.store.putFile(`${snapshot.path}/${path}`, localPath);
    lake.crashPoint('after-data-put');
    return [
      {
        path,
        partitionValues: orderedValues(snapshot, request.partitionValues),
        size: written.bytes,
        modificationTime: lake.clock.nowMs(),
        dataChange: request.dataChange ?? true,
        stats: statsText(fields, written),
      },
    ];
  } finally {
    await rm(localPath, { force: true });
  }
}

/**
 * Like `stageFile` for rows of many partitions: the query runs once, then each partition becomes a
 * file. The partition values are taken from the query's partition columns.
 */
export async function stagePartitions(
  lake: Lake,
  snapshot: Snapshot,
  request: Omit<StageRequest, 'partitionValues'>,
): Promise<AddFile[]> {
  const { partitionColumns } = snapshot;
  if (partitionColumns.length === 0) return stageFile(lake, snapshot, { ...request, partitionValues: {} });
  const { session } = request;
  const rows = sqlName(`staged_${randomUUID()}`);
  await session.run(`CREATE TEMP TABLE ${rows} AS ${request.select}`);
  try {
    const values = partitionColumns.map((name) => `CAST(${sqlName(name)} AS VARCHAR) AS ${sqlName(name)}`);
    const partitions = await session.rows(`SELECT DISTINCT ${values.join(', ')} FROM ${rows} ORDER BY ALL`);
    const adds: AddFile[] = [];
    for (const partition of partitions) {
      const partitionValues = partition as PartitionValues;
      const select = `FROM ${rows} WHERE ${partitionFilter(partitionColumns, partitionValues)}`;
      adds.push(...(await stageFile(lake, snapshot, { ...request, select, partitionValues })));
    }
    return adds;
  } finally {
    await session.run(`DROP TABLE ${rows}`);
  }
}

/** The columns that data files hold: all but the partition columns. Pure. */
export function dataFields(
  schema: readonly DeltaField[],
  partitionColumns: readonly string[],
): readonly DeltaField[] {
  return schema.filter((f) => !partitionColumns.includes(f.name));
}

// === Helpers ===

/** DuckDB's own default. */
const DEFAULT_ROW_GROUP_ROWS = 122_880;

async function copyToParquet(
  request: StageRequest,
  fields: readonly DeltaField[],
  localPath: string,
): Promise<WrittenFile> {
  const columns = fields.map(
    (f) => `CAST(${sqlName(f.name)} AS ${duckdbType(f.type)}) AS ${sqlName(f.name)}`,
  );
  const order = request.orderBy === undefined ? '' : ` ORDER BY ${request.orderBy}`;
  const query = `SELECT ${columns.join(', ')} FROM (${request.select})${order}`;
  const [row] = await request.session.rows(
    `COPY (${query}) TO ${sqlText(localPath)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE ${request.rowGroupRows ?? DEFAULT_ROW_GROUP_ROWS}, RETURN_STATS)`,
  );
  if (row === undefined) return { rows: 0, bytes: 0, columns: new Map() };
  return writtenFile(row);
}

function partitionFilter(partitionColumns: readonly string[], values: PartitionValues): string {
  const tests = partitionColumns.map((name) => {
    const value = values[name] ?? null;
    const text = `CAST(${sqlName(name)} AS VARCHAR)`;
    return value === null ? `${text} IS NULL` : `${text} = ${sqlText(value)}`;
  });
  return tests.join(' AND ');
}

function checkNotNull(table: string, fields: readonly DeltaField[], written: WrittenFile): void {
  for (const { name, nullable } of fields) {
    const nulls = Number(written.columns.get(sqlName(name))?.['null_count'] ?? 0);
    if (!nullable && nulls > 0) throw fault('LAKE_NULL_VALUE', { table, column: name, nulls });
  }
}

function orderedValues(snapshot: Snapshot, values: PartitionValues): PartitionValues {
  return Object.fromEntries(
    snapshot.partitionColumns.map((name) => {
      const value = values[name];
      if (value === undefined) throw fault('LAKE_PARTITION_VALUE', { table: snapshot.table, column: name });
      return [name, value];
    }),
  );
}

/** Only a convention; values with other characters go without, since `partitionValues` is the truth. */
function partitionDirectory(partitionColumns: readonly string[], values: PartitionValues): string {
  const parts = partitionColumns.map((name) => `${name}=${values[name] ?? '__HIVE_DEFAULT_PARTITION__'}`);
  return parts.every((part) => /^[\w.=-]+$/.test(part)) ? parts.map((part) => `${part}/`).join('') : '';
}
