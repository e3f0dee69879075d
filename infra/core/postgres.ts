import { setTimeout as wait } from 'node:timers/promises';
import { Client, Pool, type PoolClient, types } from 'pg';
import { fault } from './errorCatalog.ts';
import type { Logger } from './ports.ts';

/** The door to PostgreSQL, with `postgresMigrations.ts`; nothing else imports pg. */

export interface Queryable {
  /**
   * Rows of one statement: bigint as a number (exact up to 2^53), timestamptz as a Date.
   * @throws POSTGRES_UNAVAILABLE
   */
  query<Row>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
}

export interface Postgres extends Queryable, AsyncDisposable {
  /**
   * Runs `work` in one transaction: committed when it resolves, rolled back when it throws. A connection
   * that is lost at the commit leaves open which of both happened. @throws POSTGRES_UNAVAILABLE
   */
  withTransaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
}

/** How long a connection and a statement may take, in milliseconds. */
const CONNECT_MS = 5_000;
const STATEMENT_MS = 30_000;
const FAREWELL_MS = 2_000;

/**
 * A pool of connections; nothing connects before the first query, and a server that restarts is found
 * again by the next one.
 */
export function openPostgres(
  url: string,
  { log, connections = 4 }: { readonly log: Logger; readonly connections?: number },
): Postgres {
  const pool = new Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: STATEMENT_MS,
    types: { getTypeParser: parserOf as typeof types.getTypeParser },
  });
  // An idle connection that breaks is replaced; without a listener it would end the process.
  pool.on('error', (error) => log.debug({ err: error }, 'idle connection to PostgreSQL lost'));
  return {
    query: (sql, values) => reached(url, () => rowsOf(pool, sql, values)),
    withTransaction: (work) => runTransaction(pool, url, work),
    // A server that hangs does not answer a farewell either: the process need not wait for it.
    [Symbol.asyncDispose]: () => Promise.race([pool.end(), wait(FAREWELL_MS, undefined, { ref: false })]),
  };
}

/** Why PostgreSQL at `url` cannot be used now; undefined when it answers a query. */
export async function probePostgres(url: string, timeoutMs: number): Promise<string | undefined> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  client.on('error', () => undefined); // a server that goes away while we hang up has answered before
  try {
    await client.connect();
    await client.query('select 1');
    return undefined;
  } catch (error) {
    return error instanceof Error && error.message !== '' ? error.message : 'no connection';
  } finally {
    await client.end();
  }
}

/**
 * Makes clients survive the loss of PostgreSQL while they are being closed. BullMQ takes all listeners
 * off a client before it ends it; a connection error that arrives in between would have no listener
 * and end the process. From now on a client keeps one, which has nothing left to do.
 */
export function keepClosingClientsQuiet(): void {
  Client.prototype.removeAllListeners = removeAllButOne;
}

// === Helpers ===

const { removeAllListeners } = Client.prototype;

function removeAllButOne(this: Client, ...events: [string?]): Client {
  removeAllListeners.apply(this, events);
  if (events.length === 0) this.on('error', () => undefined);
  return this;
}

/** Of the type int8; pg gives its values as text. */
const INT8_OID = 20;

function parserOf(oid: number, format?: 'text' | 'binary'): (text: string) => unknown {
  return oid === INT8_OID ? Number : types.getTypeParser(oid, format);
}

async function rowsOf<Row>(
  on: Pool | PoolClient,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const { rows } = await on.query(sql, [...values]);
  return rows as Row[];
}

async function runTransaction<T>(pool: Pool, url: string, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await reached(url, () => pool.connect());
  // The query that is under way fails by itself; without a listener the event would end the process.
  const onError = () => undefined;
  client.on('error', onError);
  let failure: unknown;
  try {
    await reached(url, () => client.query('begin'));
    const result = await work({ query: (sql, values) => reached(url, () => rowsOf(client, sql, values)) });
    await reached(url, () => client.query('commit'));
    return result;
  } catch (error) {
    failure = await rollBack(client, error);
    throw error;
  } finally {
    client.off('error', onError);
    // A connection in an unknown state is closed, not used again.
    client.release(failure !== undefined);
  }
}

/** Undefined when the connection can be used again. */
async function rollBack(client: PoolClient, reason: unknown): Promise<unknown> {
  if (isConnectionLoss(reason)) return reason;
  try {
    await client.query('rollback');
    return undefined;
  } catch (error) {
    return error;
  }
}

/** A call to the server; a failure of the connection, not of the statement, is a POSTGRES_UNAVAILABLE. */
async function reached<T>(url: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!isConnectionLoss(error)) throw error;
    const { host } = new URL(url);
    throw fault('POSTGRES_UNAVAILABLE', { host, detail: detailOf(error) }, error);
  }
}

/** Classes 08 (connection), 53 (resources) and 57P (shut down, starting up), and what has no SQLSTATE at all. */
function isConnectionLoss(error: unknown): boolean {
  const { code = '' } = error as { code?: unknown };
  if (code === 'POSTGRES_UNAVAILABLE') return true;
  if (typeof code === 'string' && /^E[A-Z_]+$/.test(code)) return true;
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return /^(08|53|57P)/.test(code);
  return error instanceof Error && /connection|timeout/i.test(error.message);
}

function detailOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  return message === undefined || message === '' ? (code ?? 'no connection') : message;
}
