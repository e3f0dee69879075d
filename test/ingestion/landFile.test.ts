import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBronze } from '../../ingestion/bronzeTable.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { landFile } from '../../ingestion/landFile.ts';
import { landedProgress, landingAppId } from '../../ingestion/progress.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { scan } from '../../lakehouse/scan.ts';
import { openTable } from '../../lakehouse/table.ts';
import {
  commitTo,
  openTempLake,
  silentLog,
  stageRows,
  type TempLake,
  testClock,
} from '../support/tempLake.ts';
import { ARRIVED_MS, PARCELS } from './records.ts';

/** Nobody listens on port 1: history needs no broker while nothing live has landed. */
const kafka = { brokers: ['127.0.0.1:1'], cluster: 'test' };
const limits = { maxBytes: 1e9, maxRows: 100, intervalMs: 5_000 };

let lake: TempLake;
beforeAll(async () => {
  lake = await openTempLake(testClock(ARRIVED_MS + 1_000));
});
afterAll(async () => {
  await lake[Symbol.asyncDispose]();
});

/** `rows` parcels of 20 senders, one every minute up to the arrival, in the order that `place` says. */
function history(rows: number, place: (index: number) => number = (index) => index): string[] {
  return Array.from({ length: rows }, (_, index) => {
    const n = place(index);
    const ms = ARRIVED_MS - (rows - n) * 60_000;
    const sender = `s${n % 20}`;
    const value = JSON.stringify({
      parcel: `DE${n}`,
      sender,
      scanned: new Date(ms - 2_000).toISOString(),
      weight: 1,
      stops: 1,
      serial: n,
      fragile: true,
      size: 's',
      hub: { code: 'H' },
      items: [{ sku: 'a', price: 1 }],
    });
    return JSON.stringify({
      key: sender,
      value: n % 50 === 7 ? '{' : value,
      arrived_at: new Date(ms).toISOString(),
    });
  });
}

async function fileOf(name: string, lines: readonly string[]): Promise<string> {
  const path = join(lake.rootDir, name);
  await writeFile(path, `${lines.join('\n')}\n`);
  return path;
}

async function parquetOf(path: string): Promise<string> {
  await using session = await lake.duckdb.connect();
  const parquet = path.replace('.ndjson', '.parquet');
  await session.run(
    `COPY (SELECT key, value::VARCHAR::BLOB AS value, arrived_at FROM read_json('${path}', columns={key:'VARCHAR',value:'VARCHAR',arrived_at:'TIMESTAMPTZ'})) TO '${parquet}'`,
  );
  return parquet;
}

async function rowsOf(contract: Contract, sql: string) {
  const table = await openTable(lake, contract.table);
  if (table === undefined) throw new Error('no table');
  await using session = await lake.duckdb.connect();
  await using rows = await scan(lake, await table.snapshot());
  return await session.rows(sql.replace('bronze', rows.sql));
}

const land = (contract: Contract, path: string, over: Lake = lake) =>
  landFile({ lake: over, kafka, limits, log: silentLog }, { path, contract });

describe('history from a file', () => {
  const contract = { ...PARCELS, table: 'bronze.history' };

  test('lands once: good and bad rows, numbered by arrival in the partition of their key', async () => {
    const path = await parquetOf(
      await fileOf(
        'history.ndjson',
        history(450, (index) => (index * 7) % 450),
      ),
    );
    expect(await land(contract, path)).toMatchObject({ rows: 450, landed: 450, bad: 9, already: 0 });
    expect(await land(contract, path)).toMatchObject({ rows: 450, landed: 0, already: 450 });
    const [sums] = await rowsOf(
      contract,
      `SELECT count(*) AS n, count(DISTINCT (_partition, _offset)) AS places,
      count(_error) AS bad, count(DISTINCT _partition) AS partitions, min(_topic_id) AS id FROM bronze`,
    );
    expect(sums).toMatchObject({ n: '450', places: '450', bad: '9', partitions: '3' });
    expect(sums?.['id']).toMatch(/^file:[0-9a-f]{64}$/);
    const disorder = await rowsOf(
      contract,
      `SELECT count(*) AS n FROM (SELECT _arrived_at <
      lag(_arrived_at) OVER (PARTITION BY _partition ORDER BY _offset) AS back FROM bronze) WHERE back`,
    );
    expect(disorder).toEqual([{ n: '0' }]);
    const keys = await rowsOf(
      contract,
      `SELECT count(*) AS n FROM (SELECT _key FROM bronze
      WHERE _error IS NULL GROUP BY _key HAVING count(DISTINCT _partition) > 1)`,
    );
    expect(keys).toEqual([{ n: '0' }]);
  });

  test('a call that dies after a commit is continued by the next one', async () => {
    const resumed = { ...PARCELS, table: 'bronze.resumed' };
    const path = await fileOf('resumed.ndjson', history(450));
    let commits = 0;
    const dying = {
      ...lake,
      crashPoint: (name: string) => {
        if (name === 'after-lake-commit' && ++commits === 2) throw new Error('killed');
      },
    };
    await expect(land(resumed, path, dying)).rejects.toThrow('killed');
    expect(await land(resumed, path)).toMatchObject({ landed: 250, already: 200 });
    expect(
      await rowsOf(resumed, 'SELECT count(*) AS n, count(DISTINCT serial) AS serials FROM bronze'),
    ).toEqual([{ n: '450', serials: '441' }]);
  });

  test('two calls at once land it once', async () => {
    const twice = { ...PARCELS, table: 'bronze.twice' };
    const path = await fileOf('twice.ndjson', history(450));
    const reports = await Promise.all([land(twice, path), land(twice, path)]);
    const table = await openBronze(lake, twice);
    const place = { tableId: table.id, cluster: 'test', topic: twice.topic };
    const next = landedProgress(await table.snapshot(), place).get(reports[0]?.topicId ?? '');
    expect([...(next?.values() ?? [])].reduce((a, b) => a + b)).toBe(450);
    expect(await rowsOf(twice, 'SELECT count(*) AS n FROM bronze')).toEqual([{ n: '450' }]);
  });

  test('rows are numbered as they were landed: a contract with other partitions is refused', async () => {
    const before = { ...PARCELS, table: 'bronze.grown' };
    const after = { ...before, partitions: 5 };
    const path = await fileOf('grown.ndjson', history(450));
    await land(before, path);
    await expect(land(after, path)).rejects.toMatchObject({ code: 'HISTORY_RENUMBERED' });
    const begun = { ...before, table: 'bronze.begun' };
    const dying = {
      ...lake,
      crashPoint: (name: string) => {
        if (name === 'after-lake-commit') throw new Error('killed');
      },
    };
    await expect(land(begun, path, dying)).rejects.toThrow('killed');
    await expect(land({ ...begun, partitions: 5 }, path)).rejects.toMatchObject({
      code: 'HISTORY_RENUMBERED',
    });
    expect(await rowsOf(begun, 'SELECT count(*) AS n FROM bronze')).toEqual([{ n: '100' }]);
    expect(await land(begun, path)).toMatchObject({ landed: 350, already: 100 });
  });

  test('rows without an arrival come last and hide no disorder', async () => {
    const gappy = { ...PARCELS, table: 'bronze.gappy', partitions: 1 };
    const lines = history(3).map((line) => JSON.parse(line));
    const nowhere = { ...lines[0], arrived_at: null };
    const rows = [lines[2], nowhere, lines[0], lines[1]].map((row) => JSON.stringify(row));
    await land(gappy, await fileOf('gappy.ndjson', rows));
    expect(await rowsOf(gappy, 'SELECT serial, _error.code AS code FROM bronze ORDER BY _offset')).toEqual([
      { serial: '0', code: null },
      { serial: '1', code: null },
      { serial: '2', code: null },
      { serial: null, code: 'NO_ARRIVAL' },
    ]);
  });

  test('rows of the future are refused', async () => {
    const early = { ...lake, clock: testClock(ARRIVED_MS - 3_600_000) };
    const path = await fileOf('future.ndjson', history(10));
    await expect(land({ ...PARCELS, table: 'bronze.future' }, path, early)).rejects.toMatchObject({
      code: 'HISTORY_IN_FUTURE',
    });
  });

  test('rows that arrived after the first live record are refused; older ones are history still', async () => {
    const live = { ...PARCELS, table: 'bronze.live' };
    const table = await openBronze(lake, live);
    const firstLive = new Date(ARRIVED_MS - 5 * 60_000).toISOString();
    const nulls = (await table.snapshot()).schema
      .filter(({ name }) => !['_topic_id', '_arrived_at', 'arrival_date'].includes(name))
      .map(({ name }) => `NULL AS ${name}`);
    const select = `SELECT 'id-1' AS _topic_id, TIMESTAMPTZ '${firstLive}' AS _arrived_at, ${nulls.join(', ')}`;
    const adds = await stageRows(lake, table, { select, partitionValues: { arrival_date: '2026-06-15' } });
    const place = { tableId: table.id, cluster: 'test', topic: live.topic };
    await commitTo(table, {
      adds,
      txns: [{ appId: landingAppId(place, 'id-1', 0), expected: undefined, version: 1 }],
    });
    await expect(land(live, await fileOf('late.ndjson', history(10)))).rejects.toMatchObject({
      code: 'HISTORY_AFTER_LIVE',
    });
    expect(await land(live, await fileOf('early.ndjson', history(30).slice(0, 20)))).toMatchObject({
      landed: 20,
    });
  });

  test.each([
    ['not there', 'missing.parquet', undefined],
    ['of another kind', 'history.csv', 'key,value,arrived_at'],
    ['no Parquet inside', 'broken.parquet', 'PARQUET?'],
  ])('a file that is %s is named', async (_what, name, content) => {
    const path = content === undefined ? join(lake.rootDir, name) : await fileOf(name, [content]);
    await expect(land(contract, path)).rejects.toMatchObject({ code: 'HISTORY_FILE_INVALID' });
  });
});
