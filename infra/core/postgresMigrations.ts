import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fault } from './errorCatalog.ts';
import type { Postgres, Queryable } from './postgres.ts';

/** Name of the schema that holds Tidemark's own tables. */
const SCHEMA = 'tidemark';

/** A step in the life of the tables; `0001_name.sql` has number 1. */
interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly hash: string;
}

/**
 * Applies the numbered files of `dir` that are not applied yet, all in one transaction. Any number of
 * processes may call it at once: one works, the others wait and find it done.
 * @throws POSTGRES_MIGRATION_CHANGED, POSTGRES_SCHEMA_NEWER, POSTGRES_UNAVAILABLE
 */
export async function migrate(postgres: Postgres, dir: string): Promise<void> {
  const migrations = await readMigrations(dir);
  await postgres.withTransaction(async (tx) => {
    // COMMIT POINT is the end of this transaction; the lock goes with it.
    await tx.query('select pg_advisory_xact_lock($1)', [LOCK]);
    const applied = await readApplied(tx);
    for (const [number, hash] of applied) checkKnown(migrations, number, hash);
    for (const { number, name, sql, hash } of migrations) {
      if (applied.has(number)) continue;
      await tx.query(sql);
      await tx.query(`insert into ${SCHEMA}.migrations (number, name, hash) values ($1, $2, $3)`, [
        number,
        name,
        hash,
      ]);
    }
  });
}

// === Helpers ===

/** Any number, as long as it is this one. */
const LOCK = 7_305_091_842;

async function readMigrations(dir: string): Promise<Migration[]> {
  const files = globSync('*.sql', { cwd: dir }).toSorted();
  return await Promise.all(
    files.map(async (file) => {
      const sql = await readFile(join(dir, file), 'utf8');
      const hash = createHash('sha256').update(sql).digest('hex');
      return { number: Number.parseInt(file, 10), name: basename(file, '.sql'), sql, hash };
    }),
  );
}

/** Hashes by number. */
async function readApplied(tx: Queryable): Promise<Map<number, string>> {
  await tx.query(`create schema if not exists ${SCHEMA}`);
  await tx.query(`create table if not exists ${SCHEMA}.migrations (
    number int primary key, name text not null, hash text not null, applied_at timestamptz not null default now())`);
  const rows = await tx.query<{ number: number; hash: string }>(
    `select number, hash from ${SCHEMA}.migrations order by number`,
  );
  return new Map(rows.map(({ number, hash }) => [number, hash]));
}

function checkKnown(migrations: readonly Migration[], number: number, hash: string): void {
  const known = migrations.find((one) => one.number === number);
  if (known === undefined) {
    throw fault('POSTGRES_SCHEMA_NEWER', { applied: number, known: migrations.length });
  }
  if (known.hash !== hash) throw fault('POSTGRES_MIGRATION_CHANGED', { name: known.name });
}
