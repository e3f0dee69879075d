import { sqlName, sqlText } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import { type AddFile, fileKey, type PartitionValues } from './actions.ts';
import type { Lake } from './lake.ts';
import { type DeltaField, type DeltaType, duckdbType } from './schema.ts';
import type { Snapshot } from './snapshot.ts';
import { dataFields } from './stage.ts';
import type { LocalObject } from './storage.ts';

/** The column that `withFileName` adds: a local path, see `Scan.fileOf`. */
export const FILE_COLUMN = '_file';

/** A table as a SQL expression. The files it names stay on the local disk until it is disposed. */
export interface Scan extends AsyncDisposable {
  /** In parentheses; usable after FROM. Columns are the schema's, in its order and types. */
  readonly sql: string;
  /** Local paths of all files that it reads, for sandboxes. */
  readonly paths: readonly string[];
  /** The file of a value of the file column. */
  fileOf(localPath: string): AddFile | undefined;
}

export interface ScanOptions {
  /** Only these files of the snapshot (see `pruneFiles`); all live files by default. */
  readonly files?: readonly AddFile[];
  /** Only these columns. */
  readonly columns?: readonly string[];
  /** Adds the column `_file`. */
  readonly withFileName?: boolean;
}

/**
 * Reads files of a snapshot: values cast to the schema, columns that a file lacks as NULL. Partition
 * values come from directories that spell them, else as constants of a branch a partition, which
 * costs a millisecond or two of planning each; DuckDB prunes both like any filter.
 * @throws LAKE_OBJECT_MISSING, LAKE_PATH_UNSUPPORTED
 */
export async function scan(lake: Lake, snapshot: Snapshot, options: ScanOptions = {}): Promise<Scan> {
  const files = options.files ?? [...snapshot.files.values()];
  const opened = await openFiles(lake, snapshot, files);
  const locals = new Map(opened.map(({ local, add }) => [local.path, add]));
  return {
    sql: scanSql(snapshot, locals, options),
    paths: [...locals.keys()],
    fileOf: (localPath) => locals.get(localPath),
    [Symbol.asyncDispose]: () => releaseAll(opened.map(({ local }) => local)),
  };
}

// === Helpers ===

/** The expression over local copies, by their paths. Pure. */
function scanSql(
  snapshot: Snapshot,
  files: ReadonlyMap<string, AddFile>,
  options: Omit<ScanOptions, 'files'> = {},
): string {
  const { schema, partitionColumns } = snapshot;
  const wanted =
    options.columns === undefined ? schema : schema.filter((f) => options.columns?.includes(f.name));
  const stored = dataFields(schema, partitionColumns);
  const shape = { wanted, stored, withFileName: options.withFileName ?? false };
  if (spellsPartitions(snapshot, files)) return `(${directoriesSql(snapshot, shape, [...files.keys()])})`;
  const branches = byPartition(files).map((branch) => branchSql(shape, branch));
  if (branches.length === 0) branches.push(`${branchSql(shape, { values: {}, paths: [] })} WHERE false`);
  return `(${branches.join(' UNION ALL ')})`;
}

interface Shape {
  readonly wanted: readonly DeltaField[];
  readonly stored: readonly DeltaField[];
  readonly withFileName: boolean;
}

interface Branch {
  /** Partition values that all its files share. */
  readonly values: PartitionValues;
  readonly paths: readonly string[];
  /** Options of the reader; by default directories mean nothing. */
  readonly partitioning?: string;
}

const FILES_AT_ONCE = 8;

async function openFiles(lake: Lake, snapshot: Snapshot, files: readonly AddFile[]) {
  const opened: { add: AddFile; local: LocalObject }[] = [];
  const waiting = files.map((add) => ({ add, key: objectKey(snapshot, add) }));
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      opened.push({ add: next.add, local: await lake.store.openLocal(next.key) });
    }
  };
  try {
    await Promise.all(Array.from({ length: FILES_AT_ONCE }, worker));
  } catch (error) {
    waiting.length = 0;
    await releaseAll(opened.map(({ local }) => local));
    throw error;
  }
  return opened;
}

async function releaseAll(locals: readonly LocalObject[]): Promise<void> {
  await Promise.all(locals.map((local) => local.release()));
}

/** The object of a live file. @throws LAKE_PATH_UNSUPPORTED */
function objectKey(snapshot: Snapshot, add: AddFile): string {
  if (/^(\/|[a-z][a-z0-9+.-]*:)/i.test(add.path) || add.path.split('/').includes('..')) {
    throw fault('LAKE_PATH_UNSUPPORTED', { table: snapshot.table, path: add.path });
  }
  return `${snapshot.path}/${fileKey(add.path)}`;
}

function byPartition(files: ReadonlyMap<string, AddFile>) {
  const groups = new Map<string, { values: PartitionValues; paths: string[] }>();
  for (const [path, { partitionValues }] of files) {
    const key = JSON.stringify(Object.entries(partitionValues).sort());
    const group = groups.get(key) ?? { values: partitionValues, paths: [] };
    group.paths.push(path);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** Types whose text in a directory name is the partition value, no more and no less. */
const SPELLED_TYPES = new Set<DeltaType>(['date', 'string', 'integer', 'long']);

/**
 * Whether the last directories of every file are `column=value` for each partition column, in order,
 * and no other directory looks like one. Directories are only convention: a file may say otherwise.
 */
function spellsPartitions(snapshot: Snapshot, files: ReadonlyMap<string, AddFile>): boolean {
  const { partitionColumns, schema } = snapshot;
  const types = partitionColumns.map((name) => schema.find((f) => f.name === name)?.type ?? '');
  if (files.size === 0 || types.length === 0 || !types.every((type) => SPELLED_TYPES.has(type))) return false;
  return [...files].every(([path, { partitionValues }]) => {
    const values = partitionColumns.map((name) => partitionValues[name] ?? '');
    const wanted = partitionColumns.map((name, i) => `${name}=${values[i]}`);
    const directories = path.split('/').slice(0, -1);
    const [above, last] = [directories.slice(0, -wanted.length), directories.slice(-wanted.length)];
    const isPlain = values.every((value) => /^[\w.-]+$/.test(value) && !value.startsWith('__'));
    return isPlain && last.join('/') === wanted.join('/') && !above.some((name) => name.includes('='));
  });
}

/** Rows of all partitions in one branch; DuckDB takes the partition values from the directories. */
function directoriesSql(snapshot: Snapshot, shape: Shape, paths: readonly string[]): string {
  const isPartition = new Set(snapshot.partitionColumns);
  const partition = snapshot.schema.filter((f) => isPartition.has(f.name));
  const types = partition.map((f) => `${sqlName(f.name)}: ${duckdbType(f.type)}`).join(', ');
  const stored = [...shape.stored, ...partition];
  const partitioning = `hive_partitioning=true, hive_types={${types}}`;
  return branchSql({ ...shape, stored }, { values: {}, paths, partitioning });
}

/** Rows of one partition. The empty relation in front gives columns to files that lack them. */
function branchSql(shape: Shape, branch: Branch): string {
  const { values, paths, partitioning = 'hive_partitioning=false' } = branch;
  const isStored = new Set(shape.stored.map((f) => f.name));
  const columns = shape.wanted.map((f) => {
    const type = duckdbType(f.type);
    const value = isStored.has(f.name) ? sqlName(f.name) : partitionLiteral(values[f.name]);
    return `CAST(${value} AS ${type}) AS ${sqlName(f.name)}`;
  });
  if (shape.withFileName) columns.push(FILE_COLUMN);
  const nulls = shape.stored.map((f) => `CAST(NULL AS ${duckdbType(f.type)}) AS ${sqlName(f.name)}`);
  nulls.push(`CAST(NULL AS VARCHAR) AS ${FILE_COLUMN}`);
  const empty = `SELECT * FROM (SELECT ${nulls.join(', ')}) WHERE false`;
  if (paths.length === 0) return `SELECT ${columns.join(', ')} FROM (${empty})`;
  const list = paths.map(sqlText).join(', ');
  const read = `read_parquet([${list}], ${partitioning}, union_by_name=true, filename='${FILE_COLUMN}')`;
  return `SELECT ${columns.join(', ')} FROM (${empty} UNION ALL BY NAME SELECT * FROM ${read})`;
}

/** An empty text is a null, as the protocol says. */
function partitionLiteral(value: string | null | undefined): string {
  return value === null || value === undefined || value === '' ? 'NULL' : sqlText(value);
}
