import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SqlRow, SqlSession } from '../../infra/core/duckdb.ts';
import { bronzeFields } from '../../ingestion/bronze.ts';
import { BronzeBatch, type PlacedRecord } from '../../ingestion/bronzeBatch.ts';
import { commitBatch, openBronze, stageBatch } from '../../ingestion/bronzeTable.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { compileDecoder } from '../../ingestion/decoder.ts';
import { landedProgress } from '../../ingestion/progress.ts';
import { scan } from '../../lakehouse/scan.ts';
import { openTable } from '../../lakehouse/table.ts';
import { openTempLake, type TempLake } from '../support/tempLake.ts';
import { ARRIVED_MS, GOOD, PARCELS, withFields } from './records.ts';

let lake: TempLake;
let session: SqlSession;
beforeAll(async () => {
  lake = await openTempLake();
  session = await lake.duckdb.connect();
});
afterAll(async () => {
  await session[Symbol.asyncDispose]();
  await lake[Symbol.asyncDispose]();
});

/** Lands records, numbered from `from` in partition 0, and returns the commit's outcome. */
async function land(contract: Contract, records: readonly Partial<PlacedRecord>[], from = 0) {
  const table = await openBronze(lake, contract);
  using batch = new BronzeBatch({
    decoder: compileDecoder(contract),
    scratchDir: lake.stagingDir,
    startedMs: 0,
  });
  let good = 0;
  for (const [index, record] of records.entries()) {
    const placed = {
      partition: 0,
      offset: from + index,
      arrivedAtMs: ARRIVED_MS,
      key: Buffer.from('anna'),
      value: null,
    };
    if (batch.add({ ...placed, ...record })) good += 1;
  }
  const [fetched, to] = [records.length, from + records.length];
  const expected = from === 0 ? undefined : from;
  batch.advance(0, { expected, from, to, fetched, good, bad: fetched - good });
  const source = { cluster: 'test', topicId: 'id-1' };
  const target = { table, contract, session };
  const adds = await stageBatch(target, batch, { ...source, ingestedAtMs: ARRIVED_MS + 5_000 });
  return await commitBatch(target, { adds, ranges: batch.ranges }, source);
}

async function rowsOf(name: string, columns = '*'): Promise<SqlRow[]> {
  const table = await openTable(lake, name);
  if (table === undefined) throw new Error(`no table ${name}`);
  await using rows = await scan(lake, await table.snapshot());
  return await session.rows(`SELECT ${columns} FROM ${rows.sql} ORDER BY _offset`);
}

const value = (changes: Record<string, unknown>) => Buffer.from(withFields(changes));

describe('records become rows', () => {
  const contract = { ...PARCELS, table: 'bronze.round_trip' };

  test('all types, nested and null ones, and text of every kind come back as they were', async () => {
    const texts = [
      '',
      'a"b\\c',
      'Grüße 🎁 \u2028',
      'tab\tand\u0001',
      'nul\u0000byte',
      "it's",
      '{"not":"json"}',
      'x'.repeat(40_000),
    ];
    const records = texts.map((remark) => ({ value: value({ remark }) }));
    await land(contract, [
      ...records,
      { value: value({ tilt: undefined, remark: undefined, hub: { code: 'H' } }) },
    ]);
    const rows = await rowsOf(contract.table);
    expect(rows.slice(0, -1).map((row) => row['remark'])).toEqual(
      texts.map((text) => text.replaceAll('\u0000', '\u0000')),
    );
    expect(rows[0]).toEqual({
      _topic: 'parcels',
      _topic_id: 'id-1',
      _partition: 0,
      _offset: '0',
      _key: 'anna',
      _headers: null,
      _arrived_at: '2026-06-15 12:00:00+00',
      _ingested_at: '2026-06-15 12:00:05+00',
      _schema_id: 1,
      _rescued: null,
      _error: null,
      _raw: null,
      parcel: 'DE42',
      sender: 'anna',
      scanned: '2026-06-15 11:59:58.25+00',
      weight: '2.500',
      stops: 3,
      serial: '9007199254740991',
      tilt: 0.5,
      fragile: false,
      size: 'm',
      hub: { code: 'LEJ', dock: 4 },
      items: [
        { sku: 'a-1', price: '19.99' },
        { sku: 'b-2', price: '5.00' },
      ],
      remark: '',
      arrival_date: '2026-06-15',
    });
    expect(rows.at(-1)).toMatchObject({ tilt: null, remark: null, hub: { code: 'H', dock: null } });
  });

  test('numbers keep their last digit', async () => {
    const texts = ['0.001', '999999.999', '1e2', '0', '-0', '1.10'];
    const numbers = { ...PARCELS, table: 'bronze.numbers', rules: [] };
    await land(
      numbers,
      texts.map((text) => ({ value: Buffer.from(withFields({ weight: 7_777 }).replace('7777', text)) })),
    );
    expect((await rowsOf(numbers.table)).map((row) => row['weight'])).toEqual([
      '0.001',
      '999999.999',
      '100.000',
      '0.000',
      '0.000',
      '1.100',
    ]);
  });

  test('a bad record keeps its bytes, its key, its headers and the reason, and no typed value', async () => {
    const bytes = Buffer.from([0x7b, 0xff, 0x00, 0x0a, 0x7d]);
    const bad = { ...PARCELS, table: 'bronze.bad' };
    const headers = { trace: Buffer.from('t-1'), twice: [Buffer.from('a'), Buffer.from('b')] };
    await land(bad, [
      { value: bytes, key: Buffer.from('k"\n'), headers },
      { value: null, key: null },
      { value: value({ weight: '7.5' }), arrivedAtMs: -1 },
      { value: value({}), headers },
    ]);
    const rows = await rowsOf(bad.table, '*, to_base64(_raw) AS raw64');
    expect(rows[0]).toMatchObject({
      _key: 'k"\n',
      _headers: '[["trace","t-1"],["twice","a"],["twice","b"]]',
      _error: { code: 'INVALID_UTF8', stage: 'value', detail: 'the value is not UTF-8' },
      raw64: bytes.toString('base64'),
      parcel: null,
      items: null,
      arrival_date: '2026-06-15',
    });
    expect(rows[1]).toMatchObject({ _key: null, raw64: null, _error: { code: 'NULL_VALUE' } });
    expect(rows[2]).toMatchObject({ _arrived_at: null, arrival_date: null, _error: { code: 'NO_ARRIVAL' } });
    expect(rows[3]).toMatchObject({ _error: null, _headers: rows[0]?.['_headers'] ?? null, parcel: 'DE42' });
  });

  test('unknown fields stand in _rescued', async () => {
    const odd = { ...PARCELS, table: 'bronze.odd' };
    await land(odd, [
      { value: Buffer.from(`{"__proto__":{"a":"\\ud800"},"n":0.10,${withFields({}).slice(1)}`) },
    ]);
    expect((await rowsOf(odd.table))[0]).toMatchObject({
      _rescued: '{"__proto__":{"a":"\\ud800"},"n":0.10}',
      parcel: 'DE42',
    });
  });

  test('each day of arrival is a partition of its own', async () => {
    const days = { ...PARCELS, table: 'bronze.days' };
    const arrivals = [0, 1, 0].map((day) => ARRIVED_MS + day * 86_400_000);
    await land(
      days,
      arrivals.map((arrivedAtMs) => ({ arrivedAtMs, value: value({}) })),
    );
    const snapshot = await (await openBronze(lake, days)).snapshot();
    const partitions = [...snapshot.files.values()].map((file) => file.partitionValues['arrival_date']);
    expect(partitions.sort()).toEqual(['2026-06-15', '2026-06-16']);
    expect((await rowsOf(days.table, '_offset, arrival_date')).map((row) => row['arrival_date'])).toEqual([
      '2026-06-15',
      '2026-06-16',
      '2026-06-15',
    ]);
  });
});

describe('rows and offsets are one commit', () => {
  const contract = { ...PARCELS, table: 'bronze.progress' };

  test('records of very many days need no file each while they wait', () => {
    const openFiles = () => readdirSync('/proc/self/fd').length;
    const before = openFiles();
    using batch = new BronzeBatch({
      decoder: compileDecoder(contract),
      scratchDir: lake.stagingDir,
      startedMs: 0,
    });
    const record = { partition: 0, key: null, value: Buffer.from('{') };
    for (let offset = 0; offset < 2_000; offset += 1) {
      batch.add({ ...record, offset, arrivedAtMs: offset * 86_400_000 });
    }
    expect(batch.days).toHaveLength(2_000);
    expect(openFiles() - before).toBeLessThan(100);
  });

  test('the commit says what it fetched, and the next one has to follow it', async () => {
    await land(contract, [{ value: value({}) }, { value: null }]);
    const table = await openBronze(lake, contract);
    const progress = landedProgress(await table.snapshot(), {
      tableId: table.id,
      cluster: 'test',
      topic: 'parcels',
    });
    expect(progress.get('id-1')?.get(0)).toBe(2);
    const [newest] = await table.history(1);
    expect(newest?.info['landing']).toEqual([
      { topic: 'parcels', topicId: 'id-1', partition: 0, from: 0, to: 2, fetched: 2, good: 1, bad: 1 },
    ]);
    expect(await land(contract, [{ value: value({}) }])).toMatchObject({ kind: 'conflict', reason: 'txn' });
    expect(await land(contract, [{ value: value({}) }], 1)).toMatchObject({
      kind: 'conflict',
      reason: 'txn',
    });
    expect(await land(contract, [{ value: value({}) }], 2)).toMatchObject({ kind: 'committed' });
    expect(await rowsOf(contract.table)).toHaveLength(3);
  });
});

describe('a contract changes', () => {
  const first = { ...PARCELS, table: 'bronze.evolving' };
  const second: Contract = {
    ...first,
    version: 2,
    fields: [
      ...first.fields.filter(({ name }) => name !== 'remark'),
      { name: 'colour', type: 'string', optional: true, doc: 'of the box' },
    ],
  };

  test('a new optional field widens the table in the commit that first needs it; a retired one is null', async () => {
    await land(first, [{ value: value({}) }]);
    const before = await (await openBronze(lake, second)).snapshot();
    expect(before.schema.some(({ name }) => name === 'colour')).toBe(false);
    await land(second, [{ value: value({ colour: 'red' }) }], 1);
    const rows = await rowsOf(first.table, '_schema_id, remark, colour, _rescued');
    expect(rows).toEqual([
      { _schema_id: 1, remark: GOOD.remark, colour: null, _rescued: null },
      { _schema_id: 2, remark: null, colour: 'red', _rescued: '{"remark":"ring twice"}' },
    ]);
  });

  test('a process with the older contract is refused, and a type that changed too', async () => {
    await expect(openBronze(lake, first)).rejects.toMatchObject({ code: 'CONTRACT_OUTDATED' });
    const retyped = second.fields.map((f) => (f.name === 'stops' ? { ...f, type: 'string' as const } : f));
    await expect(
      openBronze(lake, { ...second, version: 3, fields: retyped, rules: [] }),
    ).rejects.toMatchObject({
      code: 'LAKE_SCHEMA_INCOMPATIBLE',
    });
  });

  test.each([
    [
      'a reserved name',
      { fields: [...PARCELS.fields, { name: '_o', type: 'int', doc: '' }] },
      '_o is reserved',
    ],
    ['a key that is no field', { key: 'nobody' }, 'the key nobody'],
    ['an event time that is no time', { eventTime: 'size' }, 'size must be a timestamp'],
    [
      'a rule without a field',
      { rules: [{ name: 'r', field: 'x', check: { min: 0 } }] },
      'rule r has no field',
    ],
  ] as const)('a contract with %s is refused', (_what, change, problem) => {
    expect(() => bronzeFields({ ...PARCELS, ...(change as Partial<Contract>) })).toThrow(problem);
  });
});
