import { openDuckdb, type SqlJson, type SqlSession, type SqlStream } from '../infra/core/duckdb.ts';
import { fault, isFault } from '../infra/core/errorCatalog.ts';
import type { Lake } from './lake.ts';
import { admitStatement, caret, type TableMention } from './sqlGatewayAst.ts';
import { openCatalog, type SqlCatalog } from './sqlGatewayCatalog.ts';
import { openSandbox } from './sqlGatewaySandbox.ts';

/**
 * SQL of strangers over one release. Steps of a statement: the gate reads its syntax tree → the
 * catalogue says which tables it names → only their files are opened → an own DuckDB sees them as
 * views, then loses the file system and its settings → the answer streams, bounded in time.
 */
export interface SqlGateway extends AsyncDisposable {
  /** Undefined before the first release: bronze and ops can be read already. */
  readonly release: number | undefined;
  /** Qualified names of what can be read. */
  readonly tables: readonly string[];
  /**
   * Runs one SELECT. @throws SQL_SYNTAX, SQL_REFUSED, SQL_TABLE_UNKNOWN, SQL_NO_RELEASE, SQL_FAILED,
   * SQL_OUT_OF_MEMORY, SQL_TIMEOUT; the signal's reason when aborted. The chunks throw the last three as well.
   */
  query(sql: string, options?: { readonly signal?: AbortSignal }): Promise<SqlAnswer>;
}

export interface SqlAnswer extends SqlStream, AsyncDisposable {}

export interface SqlLimits {
  readonly memoryBytes: number;
  readonly threads: number;
  /** Time inside DuckDB; what the reader of the answer takes does not count. */
  readonly timeoutMs: number;
}

/** What the parser may take: it sees text, never data. */
const PARSER_MEMORY_BYTES = 64 * 2 ** 20;

/** A planner does not listen to an interrupt: so much later the statement is given up. */
const GRACE_MS = 1_000;

/** Opens the newest release, or `release`. @throws LAKE_RELEASE_UNKNOWN */
export async function openSqlGateway(
  lake: Lake,
  options: { readonly release?: number; readonly limits: SqlLimits },
): Promise<SqlGateway> {
  await using stack = new AsyncDisposableStack();
  const catalog = await openCatalog(lake, options.release);
  const duckdb = stack.use(await openDuckdb({ memoryBytes: PARSER_MEMORY_BYTES, threads: 1 }));
  const parser = stack.use(await duckdb.connect());
  const owned = stack.move();
  return {
    release: catalog.release,
    tables: catalog.names,
    query: async (sql, { signal } = {}) => {
      const mentions = await admitStatement(parser, sql);
      checkNames(catalog, mentions, sql);
      return await answer({ lake, catalog, parser, limits: options.limits, signal }, { sql, mentions });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

// === Helpers ===

interface QueryContext {
  readonly lake: Lake;
  readonly catalog: SqlCatalog;
  readonly parser: SqlSession;
  readonly limits: SqlLimits;
  readonly signal: AbortSignal | undefined;
}

async function answer(
  context: QueryContext,
  statement: { readonly sql: string; readonly mentions: readonly TableMention[] },
): Promise<SqlAnswer> {
  const { lake, catalog, parser, limits, signal } = context;
  signal?.throwIfAborted();
  const names = statement.mentions.map(qualified);
  const sandbox = await openSandbox(lake, { catalog, parser, names, limits });
  const watch = stopwatch(sandbox.session, limits, signal);
  // A statement that was given up still runs inside DuckDB: what it reads is freed when it comes back.
  const close = async () => {
    const running = watch.running();
    if (running === undefined) return await sandbox[Symbol.asyncDispose]();
    void running.then(() => sandbox[Symbol.asyncDispose]());
  };
  try {
    const { columns, chunks } = await watch.run(() => sandbox.session.stream(statement.sql));
    return { columns, chunks: watched(chunks, watch), [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Unknown names are told here, with their place, before any file is opened. */
function checkNames(catalog: SqlCatalog, mentions: readonly TableMention[], sql: string): void {
  for (const mention of mentions) {
    try {
      catalog.find(qualified(mention));
    } catch (error) {
      if (!isFault(error, 'SQL_TABLE_UNKNOWN')) throw error;
      const nearest = String(error.details['nearest']);
      const place = { table: qualified(mention), nearest, caret: caret(sql, mention.offset) };
      throw fault('SQL_TABLE_UNKNOWN', place, error);
    }
  }
}

function qualified({ schema, table }: TableMention): string {
  return schema === '' ? table : `${schema}.${table}`;
}

interface Watch {
  run<T>(call: () => Promise<T>): Promise<T>;
  /** The call that DuckDB still works at. */
  running(): Promise<unknown> | undefined;
}

/** Runs calls of one session within one budget of time; all that DuckDB throws becomes a fault. */
function stopwatch(session: SqlSession, limits: SqlLimits, signal: AbortSignal | undefined): Watch {
  let leftMs = limits.timeoutMs;
  let running: Promise<unknown> | undefined;
  return {
    running: () => running,
    run: async (call) => {
      signal?.throwIfAborted();
      // The call before may have ended just as its interrupt came, which then hits this one.
      if (leftMs <= 0) throw timedOut(limits);
      const startedMs = performance.now();
      const timeout = AbortSignal.timeout(Math.ceil(leftMs));
      const stop = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
      try {
        const called = call();
        const done = () => {
          running = undefined;
        };
        running = called.then(done, done);
        return await orGivenUp(called, stop, () => session.interrupt());
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (timeout.aborted) throw timedOut(limits, error);
        throw failure(error, limits);
      } finally {
        leftMs -= performance.now() - startedMs;
      }
    },
  };
}

function timedOut({ timeoutMs }: SqlLimits, cause?: unknown): Error {
  return fault('SQL_TIMEOUT', { seconds: timeoutMs / 1_000 }, cause);
}

/** DuckDB's message as it is; where memory was short, without its advice that nobody can follow here. */
function failure(error: unknown, { memoryBytes }: SqlLimits): Error {
  const message = error instanceof Error ? error.message : String(error);
  if (!message.startsWith('Out of Memory Error')) return fault('SQL_FAILED', { detail: message }, error);
  const [detail = ''] = message.split('\n');
  return fault('SQL_OUT_OF_MEMORY', { memory: `${Math.round(memoryBytes / 2 ** 20)} MiB`, detail }, error);
}

/** The call's outcome; interrupted when `stop` aborts, and given up when it does not heed that. */
async function orGivenUp<T>(called: Promise<T>, stop: AbortSignal, interrupt: () => void): Promise<T> {
  const givenUp = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const onAbort = () => {
    interrupt();
    timer = setTimeout(() => givenUp.reject(stop.reason), GRACE_MS);
  };
  stop.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([called, givenUp.promise]);
  } finally {
    stop.removeEventListener('abort', onAbort);
    clearTimeout(timer);
  }
}

async function* watched(chunks: AsyncIterable<SqlJson[][]>, watch: Watch): AsyncGenerator<SqlJson[][]> {
  const iterator = chunks[Symbol.asyncIterator]();
  while (true) {
    const next = await watch.run(() => iterator.next());
    if (next.done) return;
    yield next.value;
  }
}
