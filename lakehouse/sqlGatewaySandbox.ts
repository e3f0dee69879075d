import { openDuckdb, type SqlSession, sqlName, sqlText } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import type { AddFile } from './actions.ts';
import type { Lake } from './lake.ts';
import { type Scan, scan } from './scan.ts';
import type { Snapshot } from './snapshot.ts';
import { mentionedTables } from './sqlGatewayAst.ts';
import { type Readable, type ReadableTable, SCHEMAS, type SqlCatalog } from './sqlGatewayCatalog.ts';
import { openTable } from './table.ts';

/** A DuckDB of its own that holds the named tables as views, and nothing else of the machine. */
export interface Sandbox extends AsyncDisposable {
  readonly session: SqlSession;
}

export interface SandboxOptions {
  readonly catalog: SqlCatalog;
  /** Parses the SQL of model views. */
  readonly parser: SqlSession;
  /** Qualified names that the catalogue has. */
  readonly names: readonly string[];
  readonly limits: { readonly memoryBytes: number; readonly threads: number };
}

/** The columns that tell where a bad record came from and what is wrong with it. */
const DEAD_LETTER_COLUMNS = [
  '_topic',
  '_topic_id',
  '_partition',
  '_offset',
  '_key',
  '_headers',
  '_arrived_at',
  '_ingested_at',
  '_schema_id',
  '_error',
  '_raw',
];

const QUARANTINE_COLUMN = '_quarantine';

/** Opens the tables behind `names`, and what their views read. The local files stay until disposed. */
export async function openSandbox(lake: Lake, options: SandboxOptions): Promise<Sandbox> {
  await using stack = new AsyncDisposableStack();
  const { views, paths } = await collectViews(lake, options, stack);
  const duckdb = stack.use(await openDuckdb(options.limits));
  const session = stack.use(await duckdb.connect());
  for (const schema of SCHEMAS) await session.run(`create schema ${sqlName(schema)}`);
  for (const { name, sql } of views) await session.run(`create view ${qualifiedName(name)} as ${sql}`);
  await lockDown(session, paths);
  const owned = stack.move();
  return { session, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

// === Helpers ===

interface View {
  readonly name: string;
  readonly sql: string;
}

/** The files first: once external access is off, nothing can be allowed any more. */
async function lockDown(session: SqlSession, paths: readonly string[]): Promise<void> {
  await session.run(`set allowed_paths = [${paths.map(sqlText).join(', ')}]`);
  await session.run('set enable_external_access = false');
  await session.run('set lock_configuration = true');
}

/** Views in the order in which they can be created: each after those that it reads. */
async function collectViews(
  lake: Lake,
  { catalog, parser, names }: SandboxOptions,
  stack: AsyncDisposableStack,
): Promise<{ views: readonly View[]; paths: readonly string[] }> {
  const views = new Map<string, View>();
  const paths: string[] = [];
  const hold = (opened: Scan) => {
    stack.use(opened);
    paths.push(...opened.paths);
    return opened.sql;
  };
  const add = async (name: string): Promise<void> => {
    const readable = catalog.find(name);
    if (views.has(readable.name)) return;
    if (readable.kind === 'view') {
      for (const { schema, table } of await mentionedTables(parser, readable.sql))
        await add(`${schema}.${table}`);
    }
    views.set(readable.name, { name: readable.name, sql: await viewSql(lake, catalog, { readable, hold }) });
  };
  for (const name of names) await add(name);
  return { views: [...views.values()], paths };
}

async function viewSql(
  lake: Lake,
  catalog: SqlCatalog,
  { readable, hold }: { readable: Readable; hold: (scan: Scan) => string },
): Promise<string> {
  switch (readable.kind) {
    case 'view':
      return readable.sql;
    case 'table':
      return tableSql(readable, await snapshotOf(lake, readable), async (s) => hold(await scan(lake, s)));
    case 'tables':
      return tablesSql(catalog);
    case 'deadLetters': {
      const parts: string[] = [];
      for (const table of catalog.bronze()) {
        const snapshot = await snapshotOf(lake, table);
        if (!snapshot.schema.some(({ name }) => name === '_error')) continue;
        const files = [...snapshot.files.values()].filter(mayHoldBadRows);
        if (files.length > 0)
          parts.push(deadLettersSql(table.name, hold(await scan(lake, snapshot, { files }))));
      }
      return parts.length === 0 ? NO_DEAD_LETTERS : parts.join(' union all ');
    }
  }
}

async function tableSql(
  readable: ReadableTable,
  snapshot: Snapshot,
  open: (snapshot: Snapshot) => Promise<string>,
): Promise<string> {
  const isAudited = snapshot.schema.some(({ name }) => name === QUARANTINE_COLUMN);
  if (readable.quarantine === 'shown') {
    if (isAudited) return `select * from ${await open(snapshot)} where ${QUARANTINE_COLUMN} is not null`;
    throw fault('SQL_TABLE_UNKNOWN', {
      table: readable.name,
      nearest: 'no audit sets rows of it aside',
      caret: '',
    });
  }
  const sql = await open(snapshot);
  if (!isAudited) return `select * from ${sql}`;
  return `select * exclude (${QUARANTINE_COLUMN}) from ${sql} where ${QUARANTINE_COLUMN} is null`;
}

async function snapshotOf(lake: Lake, { name, version }: ReadableTable): Promise<Snapshot> {
  const deltaName = name.replace(/__quarantine$/, '');
  const table = await openTable(lake, deltaName);
  if (table === undefined) {
    throw fault('SQL_TABLE_UNKNOWN', { table: name, nearest: 'its log is gone', caret: '' });
  }
  return await table.snapshot(version === undefined ? undefined : { version });
}

/** False only when the statistics say that no row of the file has raw bytes. */
function mayHoldBadRows({ stats }: AddFile): boolean {
  if (!stats) return true;
  const { numRecords, nullCount } = JSON.parse(stats) as {
    numRecords?: number;
    nullCount?: Record<string, unknown>;
  };
  return numRecords === undefined || nullCount?.['_raw'] !== numRecords;
}

function deadLettersSql(table: string, source: string): string {
  const columns = DEAD_LETTER_COLUMNS.map(sqlName).join(', ');
  return `select ${sqlText(table)} as table_name, ${columns} from ${source} where _error is not null`;
}

const NO_DEAD_LETTERS = `select null::varchar as table_name, null::varchar as _topic, null::varchar as _topic_id,
  null::integer as _partition, null::bigint as _offset, null::varchar as _key, null::varchar as _headers,
  null::timestamptz as _arrived_at, null::timestamptz as _ingested_at, null::integer as _schema_id,
  null::struct(code varchar, stage varchar, detail varchar) as _error, null::blob as _raw where false`;

function tablesSql(catalog: SqlCatalog): string {
  const rows = catalog.names.map((name) => {
    const readable = catalog.find(name);
    const version = readable.kind === 'table' && readable.version !== undefined ? readable.version : 'null';
    const [schema = '', table = ''] = name.split('.');
    return `(${sqlText(schema)}, ${sqlText(table)}, ${sqlText(kindOf(readable))}, ${version})`;
  });
  return `select * from (values ${rows.join(', ')}) as t (schema_name, table_name, kind, released_version)`;
}

function kindOf(readable: Readable): string {
  return readable.kind === 'table' ? 'table' : 'view';
}

function qualifiedName(name: string): string {
  return name.split('.').map(sqlName).join('.');
}
