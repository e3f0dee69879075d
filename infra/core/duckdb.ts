import { type DuckDBConnection, DuckDBInstance, type DuckDBResult } from '@duckdb/node-api';

/** A JSON value as DuckDB prints it: BIGINT, DECIMAL, dates and times are strings. */
export type SqlJson = null | boolean | number | string | SqlJson[] | { [key: string]: SqlJson };

export type SqlRow = Record<string, SqlJson>;

export interface SqlStream {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Rows in chunks of at most 2,048, each an array in column order; read lazily. */
  readonly chunks: AsyncIterable<SqlJson[][]>;
}

/** Values of one column in a chunk of rows; null where there is none. */
export type SqlColumn = readonly (number | string | null)[];

/** One DuckDB in this process; sessions share its memory and its catalogue of attached databases. */
export interface Duckdb extends AsyncDisposable {
  connect(): Promise<SqlSession>;
}

/** One connection: temporary tables and views are its own. Statements of one session run one by one. */
export interface SqlSession extends AsyncDisposable {
  run(sql: string): Promise<void>;
  /** All rows, for results known to be small. */
  rows(sql: string): Promise<SqlRow[]>;
  /**
   * Streams: memory does not grow with the result. The chunks throw when the statement fails on its
   * way. A stream that is not read to its end is ended by the session's next statement.
   */
  stream(sql: string): Promise<SqlStream>;
  /**
   * Like `stream`, column by column, for numbers and texts by the million: each chunk holds an array of
   * each column. The query casts what is neither DOUBLE, INTEGER nor VARCHAR.
   */
  columns(sql: string): AsyncIterable<readonly SqlColumn[]>;
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

/** A statement whose rows are still being fetched; its transaction tells whether it came to its end. */
interface OpenStream {
  interrupted: boolean;
}

function sessionOf(connection: DuckDBConnection): SqlSession {
  let open: OpenStream | undefined;
  const close = async (verb: 'commit' | 'rollback') => {
    open = undefined;
    await connection.run(verb);
  };
  const abandon = async () => {
    if (open !== undefined) await close('rollback');
  };
  const begin = async (sql: string) => {
    await abandon();
    await connection.run('begin');
    const mine = { interrupted: false };
    open = mine;
    const finish = async (rows: number) => {
      if (open !== mine) throw new Error('the session went on to another statement');
      if (await hasFailed(connection)) {
        await close('rollback');
        throw await failureOf(connection, { sql, rows, ...mine });
      }
      await close('commit');
    };
    try {
      return { result: await connection.stream(sql), finish };
    } catch (error) {
      await close('rollback');
      throw error;
    }
  };
  return {
    run: async (sql) => {
      await abandon();
      await connection.run(sql);
    },
    rows: async (sql) => {
      await abandon();
      const reader = await connection.runAndReadAll(sql);
      return reader.getRowObjectsJson() as SqlRow[];
    },
    stream: async (sql) => {
      const { result, finish } = await begin(sql);
      const chunks = result.yieldRowsJson() as AsyncIterable<SqlJson[][]>;
      return { columns: columnsOf(result), chunks: untilEnd(chunks, (chunk) => chunk.length, finish) };
    },
    columns: async function* (sql) {
      const { result, finish } = await begin(sql);
      for await (const chunk of untilEnd(result, ({ rowCount }) => rowCount, finish)) {
        yield chunk.getColumns() as SqlColumn[];
      }
    },
    interrupt: () => {
      if (open !== undefined) open.interrupted = true;
      connection.interrupt();
    },
    [Symbol.asyncDispose]: async () => connection.closeSync(),
  };
}

function columnsOf(result: DuckDBResult): SqlStream['columns'] {
  const types = result.columnTypes();
  return result.deduplicatedColumnNames().map((name, index) => ({ name, type: String(types[index]) }));
}

/**
 * DuckDB's binding ends a stream that fails in its middle as if it were complete. A failure does
 * abort the transaction though, so each stream has one of its own that is asked at the end.
 */
async function* untilEnd<Chunk>(
  chunks: AsyncIterable<Chunk>,
  rowsOf: (chunk: Chunk) => number,
  finish: (rows: number) => Promise<void>,
): AsyncGenerator<Chunk> {
  let rows = 0;
  for await (const chunk of chunks) {
    rows += rowsOf(chunk);
    yield chunk;
  }
  await finish(rows);
}

async function hasFailed(connection: DuckDBConnection): Promise<boolean> {
  try {
    await connection.run('select 1');
    return false;
  } catch {
    // The only way for this statement to fail: the transaction is aborted. The caller throws.
    return true;
  }
}

/** The binding has lost the reason: the statement runs again from the row where it broke off. */
async function failureOf(
  connection: DuckDBConnection,
  { sql, rows, interrupted }: { sql: string; rows: number; interrupted: boolean },
): Promise<Error> {
  if (interrupted) return new Error('INTERRUPT Error: Interrupted!');
  try {
    await connection.run(`select * from (${sql.replace(/;\s*$/, '')}\n) offset ${rows}`);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
  return new Error(`the statement broke off after ${rows} rows, and DuckDB does not say why`);
}
