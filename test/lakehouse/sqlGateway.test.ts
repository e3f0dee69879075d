import { createHash } from 'node:crypto';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SqlJson } from '../../infra/core/duckdb.ts';
import { publishRelease, type Release } from '../../lakehouse/release.ts';
import { openSqlGateway, type SqlGateway, type SqlLimits } from '../../lakehouse/sqlGateway.ts';
import { nearestNames } from '../../lakehouse/sqlGatewayCatalog.ts';
import { appendRows, createTableLike, openTempLake, type TempLake } from '../support/tempLake.ts';
import { BENIGN, HOSTILE } from './sqlGatewayStatements.ts';

const LIMITS: SqlLimits = { memoryBytes: 128 * 2 ** 20, threads: 1, timeoutMs: 20_000 };

let lake: TempLake;
let gateway: SqlGateway;

beforeAll(async () => {
  lake = await openTempLake();
  await fillLake(lake);
  gateway = await openSqlGateway(lake, { limits: LIMITS });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await lake[Symbol.asyncDispose]();
});

describe('what a release shows', () => {
  it('reads a table at the version of the release, not at its head', async () => {
    expect(await rowsOf('select k, v from gold.t order by k')).toEqual([
      ['a', '1.50'],
      ['b', '2.50'],
    ]);
  });

  it('reads an older release when told to', async () => {
    await using older = await openSqlGateway(lake, { release: 1, limits: LIMITS });
    expect(await rowsOf('select k from gold.t', older)).toEqual([['a']]);
    await expect(openSqlGateway(lake, { release: 9, limits: LIMITS })).rejects.toMatchObject({
      code: 'LAKE_RELEASE_UNKNOWN',
      message: 'there is no release 9; the newest is 2',
    });
  });

  it('hides the rows that an audit set aside, and shows them in the twin', async () => {
    expect(await rowsOf('select * from silver.audited')).toEqual([[1]]);
    expect(await rowsOf('select id, _quarantine from silver.audited__quarantine')).toEqual([[2, 'odd']]);
    await expect(gateway.query('from gold.t__quarantine')).rejects.toMatchObject({
      code: 'SQL_TABLE_UNKNOWN',
    });
  });

  it('answers through model views of views', async () => {
    expect(await rowsOf('select n from gold.counts')).toEqual([['2']]);
  });

  it('shows the bad rows of all bronze tables as dead letters', async () => {
    const rows = await rowsOf(
      'select table_name, _offset, _error.code from bronze.dead_letters order by all',
    );
    expect(rows).toEqual([
      ['bronze.one', '1', 'NOT_JSON'],
      ['bronze.two', '7', 'TOO_OLD'],
    ]);
  });

  it('reads ops tables at their head', async () => {
    expect(await rowsOf('select n from ops.runs')).toEqual([[1]]);
    const table = await createTableLike(lake, { name: 'ops.runs', select: 'select 1 as n' });
    await appendRows(lake, table, { select: 'select 2 as n' });
    expect(await rowsOf('select n from ops.runs order by n')).toEqual([[1], [2]]);
  });

  it('lists its tables', async () => {
    const rows = await rowsOf(
      "select table_name, kind, released_version from ops.tables where schema_name = 'gold'",
    );
    expect(rows).toEqual([
      ['base', 'view', null],
      ['counts', 'view', null],
      ['t', 'table', 2],
    ]);
  });

  it('opens only the files of tables that the statement names', async () => {
    const opened: string[] = [];
    const counting = {
      ...lake,
      store: {
        ...lake.store,
        openLocal: (key: string) => {
          opened.push(key);
          return lake.store.openLocal(key);
        },
      },
    };
    await using session = await openSqlGateway(counting, { limits: LIMITS });
    await rowsOf('select 1', session);
    expect(opened).toEqual([]);
    await rowsOf('select count(*) from gold.t', session);
    expect(opened.map((key) => key.split('/').slice(0, 2).join('/'))).toEqual(['gold/t', 'gold/t']);
    opened.length = 0;
    await rowsOf('select count(*) from bronze.dead_letters', session);
    expect(opened).toHaveLength(2);
  });
});

describe('before the first release', () => {
  it('says what to do, and bronze can be read already', async () => {
    await using empty = await openTempLake();
    await using session = await openSqlGateway(empty, { limits: LIMITS });
    await expect(session.query('from gold.t')).rejects.toMatchObject({
      code: 'SQL_NO_RELEASE',
      remedy: expect.stringContaining('./tidemark run'),
    });
    const table = await createTableLike(empty, { name: 'bronze.x', select: 'select 1 as i' });
    await appendRows(empty, table, { select: 'select 7 as i' });
    await using later = await openSqlGateway(empty, { limits: LIMITS });
    expect(await rowsOf('select i from bronze.x', later)).toEqual([[7]]);
    expect(await rowsOf('select count(*) from bronze.dead_letters', later)).toEqual([['0']]);
  });
});

describe('errors', () => {
  it('names near tables, with a caret under the wrong one', async () => {
    const error = await gateway.query('select 1\nfrom gold.ts').catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'SQL_TABLE_UNKNOWN' });
    expect((error as Error).message).toBe(
      'there is no table gold.ts; did you mean gold.t?\n\nLINE 2: from gold.ts\n             ^',
    );
    await expect(gateway.query('from t')).rejects.toThrow('did you mean gold.t?');
  });

  it("shows DuckDB's own message with its mark", async () => {
    const error = await gateway.query('select nope from gold.t').catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'SQL_FAILED' });
    expect((error as Error).message).toMatch(
      /Binder Error: .*"nope".*\n[\s\S]*LINE 1: select nope[^\n]*\n +\^/,
    );
  });

  it('finds near names by their bare part, and nothing for what is far', () => {
    const known = ['gold.hourly_metrics', 'silver.transfers', 'ops.runs'];
    expect(nearestNames('hourly_metric', known)).toEqual(['gold.hourly_metrics']);
    expect(nearestNames('silver.hourly_metrics', known)).toEqual(['gold.hourly_metrics']);
    expect(nearestNames('quite.different', known)).toEqual([]);
  });
});

describe('bounds', () => {
  it('streams a result that is far larger than its memory', async () => {
    const small = { ...LIMITS, memoryBytes: 48 * 2 ** 20 };
    await using session = await openSqlGateway(lake, { limits: small });
    await using answer = await session.query(
      'select a.range as x, repeat(md5(a.range::varchar), 20) as y from range(400000) a',
    );
    let rows = 0;
    for await (const chunk of answer.chunks) rows += chunk.length;
    expect(rows).toBe(400_000); // 250 MB of text
  });

  it('stops a statement at its time, while it runs and between chunks', async () => {
    await using session = await openSqlGateway(lake, { limits: { ...LIMITS, timeoutMs: 100 } });
    const endless = 'select count(*) from range(1000000000) a, range(1000) b where a.range * b.range = 7';
    await expect(session.query(endless)).rejects.toMatchObject({ code: 'SQL_TIMEOUT' });
    await using answer = await session.query('select a.range from range(1000000000) a');
    const drain = async () => {
      for await (const _ of answer.chunks);
    };
    await expect(drain()).rejects.toMatchObject({ code: 'SQL_TIMEOUT' });
  });

  it('says so when a statement needs more memory than it has', async () => {
    const small = { ...LIMITS, memoryBytes: 32 * 2 ** 20 };
    await using session = await openSqlGateway(lake, { limits: small });
    const hungry = 'select list(a.range order by hash(a.range)) from range(20000000) a';
    await expect(session.query(hungry)).rejects.toMatchObject({ code: 'SQL_OUT_OF_MEMORY' });
  });

  it('is cancelled by its signal, with the reason', async () => {
    const controller = new AbortController();
    const running = gateway.query(
      'select count(*) from range(1000000000) a, range(1000) b where a.range + b.range = -1',
      {
        signal: controller.signal,
      },
    );
    controller.abort(new Error('the client went away'));
    await expect(running).rejects.toThrow('the client went away');
  });
});

describe('attacks', () => {
  it.each(HOSTILE)('has no way through: $sql', async ({ sql }) => {
    const error = await gateway.query(sql).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: expect.stringMatching(/^SQL_(REFUSED|TABLE_UNKNOWN)$/) });
  });

  it('leaves every file as it was', async () => {
    const before = fingerprint(lake.rootDir);
    for (const { sql } of HOSTILE) await gateway.query(sql).catch(() => undefined);
    for (const { sql } of BENIGN) await rowsOf(sql);
    expect(fingerprint(lake.rootDir)).toBe(before);
    expect(globSync('/tmp/tidemark-stolen*')).toEqual([]);
  });

  it('sees that fingerprint when a file changes', () => {
    const before = fingerprint(lake.rootDir);
    writeFileSync(join(lake.rootDir, 'lake', 'x'), 'x');
    expect(fingerprint(lake.rootDir)).not.toBe(before);
  });

  it.each(BENIGN)('answers: $sql', async ({ sql }) => {
    expect(Array.isArray(await rowsOf(sql))).toBe(true);
  });
});

async function rowsOf(sql: string, session = gateway): Promise<SqlJson[][]> {
  await using answer = await session.query(sql);
  const rows: SqlJson[][] = [];
  for await (const chunk of answer.chunks) rows.push(...chunk);
  return rows;
}

/** Two releases: gold.t at versions 1 and 2 with a third commit beyond them. */
async function fillLake(target: TempLake): Promise<void> {
  const gold = await createTableLike(target, {
    name: 'gold.t',
    select: "select 'a' as k, 1.5::decimal(18, 2) as v, timestamptz '2026-01-01' as seen",
  });
  for (const [k, v] of [
    ['a', '1.5'],
    ['b', '2.5'],
    ['c', '3.5'],
  ]) {
    await appendRows(target, gold, {
      select: `select '${k}' as k, ${v} as v, timestamptz '2026-01-01' as seen`,
    });
  }
  const audited = await createTableLike(target, {
    name: 'silver.audited',
    select: 'select 1 as id, null::varchar as _quarantine',
  });
  await appendRows(target, audited, {
    select: "select 1 as id, null as _quarantine union all select 2, 'odd'",
  });
  const runs = await createTableLike(target, { name: 'ops.runs', select: 'select 1 as n' });
  await appendRows(target, runs, { select: 'select 1 as n' });
  await appendBronze(target, 'bronze.one', [
    [0, undefined],
    [1, 'NOT_JSON'],
  ]);
  await appendBronze(target, 'bronze.two', [[7, 'TOO_OLD']]);
  await appendBronze(target, 'bronze.one', [[2, undefined]]);
  await publishRelease(target, release(1, { 'gold.t': 1 }));
  await publishRelease(target, release(2, { 'gold.t': 2, 'silver.audited': 1 }));
}

function release(number: number, tables: Record<string, number>): Release {
  return {
    number,
    run: `run-${number}`,
    parent: number === 1 ? undefined : number - 1,
    createdMs: 0,
    tables,
    views: { 'gold.base': 'select k from gold.t', 'gold.counts': 'select count(*) as n from gold.base' },
    pins: {},
    staleSince: {},
  };
}

async function appendBronze(
  target: TempLake,
  name: string,
  rows: [number, string | undefined][],
): Promise<void> {
  const row = ([offset, code]: [number, string | undefined]) => `select 'topic' as _topic, 'id' as _topic_id,
    0 as _partition, ${offset}::bigint as _offset, 'key' as _key, null::varchar as _headers,
    timestamptz '2026-01-01' as _arrived_at, timestamptz '2026-01-01' as _ingested_at, 1 as _schema_id,
    null::varchar as _rescued,
    ${code === undefined ? 'null' : `{'code': '${code}', 'stage': 'decode', 'detail': 'x'}`}
      ::struct(code varchar, stage varchar, detail varchar) as _error,
    ${code === undefined ? 'null' : "'raw'"}::blob as _raw, 'x' as field, date '2026-01-01' as arrival_date`;
  const select = rows.map(row).join(' union all ');
  const table = await createTableLike(target, { name, select, partitionColumns: ['arrival_date'] });
  await appendRows(target, table, { select, partitionValues: { arrival_date: '2026-01-01' } });
}

function fingerprint(dir: string): string {
  const hash = createHash('sha256');
  const entries = globSync('**/*', { cwd: dir, withFileTypes: true }).filter((e) => e.isFile());
  for (const path of entries.map((e) => join(e.parentPath, e.name)).toSorted()) {
    hash.update(path).update(readFileSync(path));
  }
  return hash.digest('hex');
}
