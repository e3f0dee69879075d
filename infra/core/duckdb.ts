import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

/** A JSON value as DuckDB prints it: BIGINT, DECIMAL, dates and times are strings. */
export type SqlJson = null | boolean | number | string | SqlJson[] | { [key: string]: SqlJson };

export type SqlRow = Record<string, SqlJson>;

export interface SqlStream {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Rows in chunks of at most 2,048, each an array in column order; read lazily. */
  readonly chunks: AsyncIterable<SqlJson[][]>;
}

/** One DuckDB in this process; sessions share its memory and its catalogue of attached databases. */
export interface Duckdb extends AsyncDisposable {
  connect(): Promise<SqlSession>;
}

/** One connection: temporary tables and views are its own. Statements of one session run one by one. */
export interface SqlSession extends AsyncDisposable {
  run(sql: string): Promise<void>;
  /** All rows, for results known to be small. */
  rows(sql: string): Promise<SqlRow[]>;
  /** Streams: memory does not grow with the result. */
  stream(sql: string): Promise<SqlStream>;
  /** Stops the running statement, which then fails with an interrupt error. */
  interrupt(): void;
}

export interface DuckdbOptions {
  readonly memoryBytes: number;
  readonly threads: number;
  /** Where larger-than-memory operators spill; none: they fail instead. */
  readonly tempDir?: string;
}

/** An in-memory DuckDB with bounded memory and UTC as its time zone; the only import of DuckDB. */
export async function openDuckdb(options: DuckdbOptions): Promise<Duckdb> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(options.threads),
    memory_limit: `${options.memoryBytes}B`,
    temp_directory: options.tempDir ?? '',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const first = await instance.connect();
  await first.run("SET GLOBAL TimeZone = 'UTC'"); // belongs to an extension: unknown until one connection is there
  first.closeSync();
  return {
    connect: async () => sessionOf(await instance.connect()),
    [Symbol.asyncDispose]: async () => instance.closeSync(),
  };
}

/** `text` as a SQL string literal. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** `name` as a quoted SQL identifier. */
export function sqlName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

// === Helpers ===

function sessionOf(connection: DuckDBConnection): SqlSession {
  return {
    run: async (sql) => {
      await connection.run(sql);
    },
    rows: async (sql) => {
      const reader = await connection.runAndReadAll(sql);
      return reader.getRowObjectsJson() as SqlRow[];
    },
    stream: async (sql) => {
      const result = await connection.stream(sql);
      const types = result.columnTypes();
      const columns = result
        .deduplicatedColumnNames()
        .map((name, index) => ({ name, type: String(types[index]) }));
      return { columns, chunks: result.yieldRowsJson() as AsyncIterable<SqlJson[][]> };
    },
    interrupt: () => connection.interrupt(),
    [Symbol.asyncDispose]: async () => connection.closeSync(),
  };
}
