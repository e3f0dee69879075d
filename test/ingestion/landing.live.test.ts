import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBronze } from '../../ingestion/bronzeTable.ts';
import { deadLetterTopic } from '../../ingestion/deadLetter.ts';
import { compileDecoder } from '../../ingestion/decoder.ts';
import type { TempLake } from '../support/tempLake.ts';
import {
  count,
  createTopics,
  kafkaClient,
  liveLake,
  parcel,
  parcels,
  query,
  recordsOf,
  send,
  startLanding,
  uniqueContract,
} from './liveLanding.ts';

let lake: TempLake;
beforeAll(async () => {
  lake = await liveLake();
});
afterAll(() => lake[Symbol.asyncDispose]());

const PATIENCE = { timeout: 30_000, interval: 100 };

describe('bad records', () => {
  test('decoder, row and dead letter agree, and the partition goes on', async () => {
    const contract = uniqueContract(1);
    await createTopics(contract, { 'max.message.bytes': '4194304' });
    const good = parcel(0);
    const bads = [
      { key: 's0', value: '{"parcel":"DE1"' },
      { key: 's0', value: '' },
      { key: 's0', value: null },
      { key: 's0', value: good.value.replace('1.5', '"7.5"') },
      { key: 's0', value: good.value.replace('1.5', 'NaN') },
      { key: 's0', value: good.value.replace('1.5', '1e999') },
      { key: null, value: good.value },
      { key: 's1', value: good.value },
      { key: 's0', value: good.value.replace('"sender":"s0",', '') },
      { key: 's0', value: good.value.replace('}]', `}],"remark":"${'x'.repeat(2_000_000)}"`) },
      { key: 's0', value: parcel(0, Date.now() + 3_600_000).value },
      { key: 's0', value: parcel(0, Date.now() - 100 * 86_400_000).value },
      {
        key: 's0',
        value: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]),
        headers: { trace: 'abc', constructor: 'x', ['__proto__']: ['y', 'z'] },
      },
    ];
    await send(
      contract.topic,
      bads.flatMap((bad) => [bad, good].map((record) => ({ ...record, partition: 0 }))),
    );
    const landing = startLanding(lake, contract);
    await expect.poll(() => count(lake, contract), PATIENCE).toBe(2 * bads.length);
    await landing.stop();

    const rows = await query(
      lake,
      contract,
      `SELECT _offset, _key, _error, to_base64(_raw) AS raw,
      epoch_ms(_arrived_at) AS arrived, _headers FROM bronze ORDER BY _offset`,
    );
    const letters = await recordsOf(deadLetterTopic(contract.topic));
    expect(letters).toHaveLength(bads.length);
    const decoder = compileDecoder(contract);
    for (const [index, bad] of bads.entries()) {
      const [row, next] = rows.slice(2 * index);
      const key = bad.key === null ? null : Buffer.from(bad.key);
      const value = bad.value === null ? null : Buffer.from(bad.value);
      const judgement = decoder.judge({ key, value, arrivedAtMs: Number(row?.['arrived']) });
      if (judgement.kind === 'good') throw new Error(`${bad.value} is good`);
      const { code, stage, detail } = judgement;
      expect(row).toMatchObject({
        _key: bad.key,
        _error: { code, stage, detail },
        raw: value?.toString('base64') ?? null,
      });
      expect(next).toMatchObject({ _error: null, raw: null });
      const letter = letters.find(
        ({ headers }) => String(headers?.['__connect.errors.offset']) === String(2 * index),
      );
      expect(String(letter?.key)).toMatch(new RegExp(`^${contract.topic}:[0-9a-f-]{36}:0:${2 * index}$`));
      expect(letter?.value?.equals(value ?? Buffer.of()) ?? value === null).toBe(true);
      expect(String(letter?.headers?.['__connect.errors.exception.class.name'])).toBe(code);
      expect(String(letter?.headers?.['__connect.errors.exception.message'])).toBe(detail);
      expect(letter?.headers?.['tidemark.key']?.toString()).toBe(bad.key ?? undefined);
    }
    const headers = '[["trace","abc"],["constructor","x"],["__proto__","y"],["__proto__","z"]]';
    expect(rows.at(-2)?.['_headers']).toBe(headers);
    expect(String(letters.at(-1)?.headers?.['trace'])).toBe('abc');
    expect(String(letters.at(-1)?.headers?.['constructor'])).toBe('x');
  });

  test('many small ones with large headers are copied too', async () => {
    const contract = uniqueContract(1);
    await createTopics(contract);
    const headers = { trace: 'x'.repeat(20_000) };
    const bads = Array.from({ length: 800 }, () => ({ key: 's0', value: '{', headers, partition: 0 }));
    await send(contract.topic, bads);
    const landing = startLanding(lake, contract);
    await expect.poll(() => count(lake, contract), PATIENCE).toBe(bads.length);
    await landing.stop();
    expect(await recordsOf(deadLetterTopic(contract.topic))).toHaveLength(bads.length);
  });
});

describe('time', () => {
  test("arrival is the producer's time on a CreateTime topic: simulated time lands as it was", async () => {
    const contract = uniqueContract(1);
    await createTopics(contract, { 'message.timestamp.type': 'CreateTime', 'retention.ms': '-1' });
    const arrivals = [20, 10, 5].map((days) => Date.now() - days * 86_400_000);
    await send(
      contract.topic,
      arrivals.map((ms, n) => ({ ...parcel(n, ms - 500), key: `s${n}`, timestampMs: ms })),
    );
    const landing = startLanding(lake, contract);
    await expect.poll(() => count(lake, contract), PATIENCE).toBe(3);
    await landing.stop();
    const rows = await query(
      lake,
      contract,
      'SELECT epoch_ms(_arrived_at) AS ms, arrival_date, _error FROM bronze ORDER BY _offset',
    );
    expect(rows.map((row) => Number(row['ms']))).toEqual(arrivals);
    expect(rows.map((row) => row['arrival_date'])).toEqual(
      arrivals.map((ms) => new Date(ms).toISOString().slice(0, 10)),
    );
    expect(rows.every((row) => row['_error'] === null)).toBe(true);
  });

  test("arrival is the broker's time on the topics that Tidemark makes, whatever the producer says", async () => {
    const contract = uniqueContract(1);
    await createTopics(contract);
    const before = Date.now();
    await send(contract.topic, [{ ...parcel(1), timestampMs: 1_000 }]);
    const landing = startLanding(lake, contract);
    await expect.poll(() => count(lake, contract), PATIENCE).toBe(1);
    await landing.stop();
    const [row] = await query(lake, contract, 'SELECT epoch_ms(_arrived_at) AS ms FROM bronze');
    expect(Number(row?.['ms'])).toBeGreaterThanOrEqual(before);
  });
});

describe('several processes', () => {
  test('a second one joins and leaves while records come: each lands once', async () => {
    const contract = uniqueContract(6);
    await createTopics(contract);
    const first = startLanding(lake, contract);
    let sent = 0;
    const sendMore = async () => {
      await send(contract.topic, parcels(sent, sent + 3_000));
      sent += 3_000;
    };
    await sendMore();
    await expect.poll(() => count(lake, contract), PATIENCE).toBe(sent);
    for (let round = 0; round < 3; round += 1) {
      const second = startLanding(lake, contract);
      await sendMore();
      await sendMore();
      await second.stop();
      await sendMore();
    }
    await expect.poll(() => count(lake, contract), PATIENCE).toBe(sent);
    await first.stop();
    const [sums] = await query(
      lake,
      contract,
      `SELECT count(DISTINCT (_partition, _offset)) AS places,
      count(DISTINCT serial) AS serials, count(*) AS n FROM bronze`,
    );
    expect(sums).toEqual({ places: String(sent), serials: String(sent), n: String(sent) });
  });

  test('the order to stop commits what was read, and the next process goes on behind it', async () => {
    const contract = uniqueContract();
    await createTopics(contract);
    const first = startLanding(lake, contract);
    await send(contract.topic, parcels(0, 500));
    await expect.poll(() => count(lake, contract), PATIENCE).toBeGreaterThan(0);
    await first.stop();
    const stopped = await count(lake, contract);
    await send(contract.topic, parcels(500, 800));
    const second = startLanding(lake, contract);
    await expect.poll(() => count(lake, contract), PATIENCE).toBe(800);
    await second.stop();
    expect(stopped).toBeLessThanOrEqual(500);
    expect(await query(lake, contract, 'SELECT count(DISTINCT serial) AS serials FROM bronze')).toEqual([
      { serials: '800' },
    ]);
  });
});

test('markers and aborted records are stepped over', async () => {
  const contract = uniqueContract(1);
  await createTopics(contract);
  const client = kafkaClient();
  const producer = client.producer({
    transactionalId: contract.topic,
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  try {
    for (let n = 0; n < 12; n += 1) {
      const transaction = await producer.transaction();
      await transaction.send({ topic: contract.topic, messages: [parcel(n)] });
      // The last ones are all aborted: nothing visible follows them.
      await (n % 2 === 0 && n < 8 ? transaction.commit() : transaction.abort());
    }
  } finally {
    await producer.disconnect();
  }
  const landing = startLanding(lake, contract);
  await expect.poll(() => count(lake, contract), PATIENCE).toBe(4);
  await expect
    .poll(async () => [...(await (await openBronze(lake, contract)).snapshot()).txns.values()], PATIENCE)
    .toEqual([24]);
  await send(contract.topic, [parcel(100)]);
  await expect.poll(() => count(lake, contract), PATIENCE).toBe(5);
  await landing.stop();
  const serials = await query(lake, contract, 'SELECT serial FROM bronze ORDER BY _offset');
  expect(serials.map((row) => Number(row['serial']))).toEqual([0, 2, 4, 6, 100]);
});
