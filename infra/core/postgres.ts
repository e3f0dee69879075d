import { Client } from 'pg';

/** Why PostgreSQL at `url` cannot be used now; undefined when it answers a query. The only import of pg. */
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
