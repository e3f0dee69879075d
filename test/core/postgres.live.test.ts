import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { openPostgres, type Postgres } from '../../infra/core/postgres.ts';
import { migrate } from '../../infra/core/postgresMigrations.ts';
import { freePorts } from '../../infra/stack/freePorts.ts';
import { startPostgres } from '../../infra/stack/postgresServer.ts';
import { freshDatabase, openStore } from '../scoring/alerts/support.ts';
import { startChild } from '../support/childProcess.ts';
import { projectRoot } from '../support/sourceFiles.ts';
import { silentLog } from '../support/tempLake.ts';

const MIGRATIONS = join(projectRoot, 'scoring', 'alerts', 'migrations');

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tidemark-postgres-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('the door', () => {
  test('a transaction is all or nothing, and bigint is a number', async () => {
    await using postgres = openPostgres(inject('services').postgresUrl, { log: silentLog });
    const table = `t_${randomUUID().replaceAll('-', '')}`;
    await postgres.query(`create table ${table} (n bigint)`);
    const failed = postgres.withTransaction(async (tx) => {
      await tx.query(`insert into ${table} values (1)`);
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    await postgres.withTransaction((tx) => tx.query(`insert into ${table} values (9007199254740991)`));
    expect(await postgres.query(`select n from ${table}`)).toEqual([{ n: Number.MAX_SAFE_INTEGER }]);
    await postgres.query(`drop table ${table}`);
  });

  test("a statement's own fault is not an outage, and the connection is used again", async () => {
    await using postgres = openPostgres(inject('services').postgresUrl, { log: silentLog, connections: 1 });
    await expect(postgres.withTransaction((tx) => tx.query('select 1/0'))).rejects.toMatchObject({
      code: '22012',
    });
    expect(await postgres.query('select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('a server that is not there, goes away in a transaction, and comes back', async () => {
    const [port = 0] = await freePorts(1);
    const options = { dir: join(dir, 'server'), port };
    await using postgres = openPostgres(`postgres://tidemark:tidemark@127.0.0.1:${port}/tidemark`, {
      log: silentLog,
    });
    const unavailable = { code: 'POSTGRES_UNAVAILABLE', retry: 'backoff' };
    await expect(postgres.query('select 1')).rejects.toMatchObject(unavailable);
    const first = startPostgres(options, { dieWithParent: true });
    await first.ready;
    await postgres.query('create table t (n int)');
    const lost = postgres.withTransaction(async (tx) => {
      await tx.query('insert into t values (1)');
      await first.kill();
      await tx.query('insert into t values (2)');
    });
    await expect(lost).rejects.toMatchObject(unavailable);
    await using second = startPostgres(options, { dieWithParent: true });
    await second.ready;
    expect(await postgres.query('select n from t')).toEqual([]);
  });
});

describe('migrations', () => {
  test('four processes that start at once: each finds the tables, each step is applied once', async () => {
    const url = await freshDatabase();
    const env = { TIDEMARK_HOME: dir, TIDEMARK_POSTGRES_URL: url };
    const children = Array.from({ length: 4 }, () => startChild('migrate', env));
    for (const child of children) expect((await child.ended).code, child.output()).toBe(0);
    await using postgres = await openStore(url);
    const numbers = await postgres.query<{ number: number }>(
      'select number from tidemark.migrations order by 1',
    );
    expect(numbers.map(({ number }) => number)).toEqual([1]);
  });

  test('a step that is added is applied; one that fails leaves nothing of it', async () => {
    await withSteps(async (postgres, steps) => {
      await migrate(postgres, steps);
      await writeFile(join(steps, '0002_more.sql'), 'create table tidemark.more (n int); select 1/0');
      await expect(migrate(postgres, steps)).rejects.toThrow('division by zero');
      expect(await postgres.query(`select to_regclass('tidemark.more') as more`)).toEqual([{ more: null }]);
      await writeFile(join(steps, '0002_more.sql'), 'create table tidemark.more (n int)');
      await migrate(postgres, steps);
      await migrate(postgres, steps);
      expect(await postgres.query('select n from tidemark.more')).toEqual([]);
    });
  });

  test('a step that was changed, or that only a newer version knows, is refused', async () => {
    await withSteps(async (postgres, steps) => {
      await writeFile(join(steps, '0002_more.sql'), 'select 1');
      await migrate(postgres, steps);
      await writeFile(join(steps, '0002_more.sql'), 'select 2');
      await expect(migrate(postgres, steps)).rejects.toMatchObject({ code: 'POSTGRES_MIGRATION_CHANGED' });
      await expect(migrate(postgres, MIGRATIONS)).rejects.toMatchObject({
        code: 'POSTGRES_SCHEMA_NEWER',
        details: { applied: 2, known: 1 },
      });
    });
  });
});

async function withSteps(use: (postgres: Postgres, steps: string) => Promise<void>): Promise<void> {
  const steps = await mkdtemp(join(dir, 'steps-'));
  await cp(MIGRATIONS, steps, { recursive: true });
  await using postgres = openPostgres(await freshDatabase(), { log: silentLog });
  await use(postgres, steps);
}
