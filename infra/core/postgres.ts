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
