import { join } from 'node:path';
import type { Logger } from '../../infra/core/ports.ts';
import { openPostgres, type Postgres } from '../../infra/core/postgres.ts';
import { migrate } from '../../infra/core/postgresMigrations.ts';

/**
 * PostgreSQL with the tables of alerts as this version needs them.
 * @throws POSTGRES_UNAVAILABLE, POSTGRES_MIGRATION_CHANGED, POSTGRES_SCHEMA_NEWER
 */
export async function openAlertStore(url: string, log: Logger): Promise<Postgres> {
  await using stack = new AsyncDisposableStack();
  const postgres = stack.use(openPostgres(url, { log }));
  await migrate(postgres, join(import.meta.dirname, 'migrations'));
  stack.move();
  return postgres;
}

/** What people call an alert: `A-000123`. Pure. */
export function alertName(number: number): string {
  return `A-${String(number).padStart(6, '0')}`;
}

/** The number in `A-000123`, `a-123` or `123`; undefined when it is none. Pure. */
export function parseAlertName(name: string): number | undefined {
  const digits = /^(?:a-)?(\d{1,15})$/i.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
