import { expect, test } from 'vitest';
import { paymentContent } from '../../../infra/content.ts';
import { compileDecoder } from '../../../ingestion/decoder.ts';
import { NO_IRREGULARITIES, type SimulatedRecord } from '../../../ingestion/simulator/liveStream.ts';
import { parseAttack } from '../../../ingestion/simulator/options.ts';
import { noteTruth, type TruthFile } from '../../../ingestion/simulator/report.ts';
import { liveRecords, share } from './simulated.ts';

const decoders = new Map(
  paymentContent.contracts.map((contract) => [contract.topic, compileDecoder(contract)]),
);

function judge({ topic, key, value, timestampMs }: SimulatedRecord) {
  const bytes = (data: string | Uint8Array | null) => (data === null ? null : Buffer.from(data as string));
  return decoders.get(topic)!.judge({ key: bytes(key), value: bytes(value), arrivedAtMs: timestampMs });
}

function recordsWith(irregularities: Partial<typeof NO_IRREGULARITIES>, count = 4_000) {
  return liveRecords(count, { irregularities: { ...NO_IRREGULARITIES, ...irregularities } });
}

test('spoilt records are exactly those that the decoder refuses, in thirteen ways', () => {
  const records = recordsWith({ bad: 0.1 });
  const spoilt = records.filter(({ irregularities }) =>
    irregularities.some((word) => word.startsWith('bad:')),
  );
  expect(share(records, (record) => spoilt.includes(record))).toBeCloseTo(0.1, 1);
  expect(new Set(spoilt.flatMap(({ irregularities }) => irregularities)).size).toBe(13);
  const wronglyJudged = records.filter((r) => (judge(r).kind === 'bad') !== r.irregularities.length > 0);
  expect(wronglyJudged).toEqual([]);
});

test('late events happened minutes to hours before they are sent, and are good', () => {
  const late = recordsWith({ late: 0.2 }).filter(({ irregularities }) => irregularities.includes('late'));
  expect(late.length).toBeGreaterThan(600);
  const minutes = late.map((record) => {
    const verdict = judge(record);
    return verdict.kind === 'good' ? (record.timestampMs - verdict.eventTimeMs) / 60_000 : Number.NaN;
  });
  expect(Math.min(...minutes)).toBeGreaterThan(0);
  expect(Math.max(...minutes)).toBeLessThanOrEqual(360);
  expect(minutes.filter((m) => m > 60).length).toBeGreaterThan(10);
});

test('a duplicate is an earlier record again, byte for byte, with no second label', () => {
  const records = recordsWith({ duplicates: 0.05 });
  const byId = Map.groupBy(records, ({ truth }) => truth.eventId);
  const repeated = [...byId.values()].filter(({ length }) => length > 1);
  expect(repeated.length).toBeGreaterThan(100);
  for (const [first, ...again] of repeated) {
    for (const copy of again) {
      expect(copy).toMatchObject({ value: first!.value, key: first!.key, labels: [] });
      expect(copy.irregularities).toContain('duplicate');
    }
  }
});

test('unknown fields are rescued, not refused', () => {
  const records = recordsWith({ unknownFields: 0.1 }).filter(
    ({ irregularities }) => irregularities.length > 0,
  );
  expect(records.length).toBeGreaterThan(300);
  for (const record of records) {
    const verdict = judge(record);
    expect(verdict.kind === 'good' && verdict.rescued).toMatch(/app_version|campaign|beta_user/);
  }
});

test('drift changes the amounts from its moment on, and nothing else', () => {
  const drift = { factor: 3, atMs: 12_000 };
  const plain = recordsWith({});
  const drifted = recordsWith({ drift } as Partial<typeof NO_IRREGULARITIES>);
  const changed = plain.map(({ value }, index) => drifted[index]!.value !== value);
  expect(changed.slice(0, 1_990).some(Boolean)).toBe(false);
  expect(share(changed.slice(2_000), Boolean)).toBe(1);
  const amounts = (value: unknown) => String(value).replaceAll(/"(amount|price)":[\d.]+/g, '"$1":0');
  expect(drifted.map(({ value }) => amounts(value))).toEqual(plain.map(({ value }) => amounts(value)));
});

test('an attack is a wave of one fraud for five minutes', () => {
  const attack = parseAttack('takeover@1m')!;
  const records = liveRecords(9_000, {
    ratePerMinute: 1_000,
    irregularities: { ...NO_IRREGULARITIES, attack },
  });
  const takeovers = (from: number, to: number) =>
    share(records.slice(from * 1_000, to * 1_000), ({ truth }) => truth.pattern === 'fraud_account_takeover');
  expect(takeovers(0, 1)).toBeLessThan(0.05);
  expect(takeovers(2, 6)).toBeGreaterThan(0.2);
  expect(takeovers(8, 9)).toBeLessThan(0.1);
});

test('the report file tells each irregularity and each fraud once', () => {
  const file: TruthFile = { irregularities: [], frauds: [] };
  const records = recordsWith({ late: 0.1, duplicates: 0.1, bad: 0.1, unknownFields: 0.1 });
  for (const record of records) noteTruth(file, record);
  expect(file.irregularities.length).toBe(records.flatMap(({ irregularities }) => irregularities).length);
  const ids = file.frauds.map(({ event_id }) => event_id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(new Set(ids)).toEqual(
    new Set(records.filter(({ truth }) => truth.fraud).map(({ truth }) => truth.eventId)),
  );
});
