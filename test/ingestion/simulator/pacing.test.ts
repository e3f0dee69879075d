import { describe, expect, test } from 'vitest';
import { fault } from '../../../infra/core/errorCatalog.ts';
import type { OutgoingRecord } from '../../../infra/core/kafka.ts';
import type { Clock, Logger } from '../../../infra/core/ports.ts';
import { createDelayHistogram } from '../../../ingestion/simulator/delayHistogram.ts';
import { createDueQueue } from '../../../ingestion/simulator/dueQueue.ts';
import { liveLabelDelay } from '../../../ingestion/simulator/labelling.ts';
import { createLiveStream, NO_IRREGULARITIES } from '../../../ingestion/simulator/liveStream.ts';
import { runSimulation, type SimulationOptions } from '../../../ingestion/simulator/simulation.ts';
import { createTokenBucket } from '../../../ingestion/simulator/tokenBucket.ts';
import { END_MS, smallWorld } from './simulated.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** Time that passes only in sleeps. */
function fakeTime() {
  let nowMs = 1_000;
  const clock: Clock = {
    nowMs: () => nowMs,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      nowMs += ms;
      // A turn of the event loop, in which sends are answered.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
  return { clock, monotonicMs: () => nowMs, pass: (ms: number) => (nowMs += ms) };
}

function fakeBroker(answer: (topic: string) => Promise<void> = async () => {}) {
  const sent: { topic: string; records: readonly OutgoingRecord[] }[] = [];
  return {
    sent,
    of: (topic: string) => sent.filter((batch) => batch.topic === topic).flatMap(({ records }) => records),
    events: () => sent.filter(({ topic }) => topic !== 'labels').flatMap(({ records }) => records),
    send: async (topic: string, records: readonly OutgoingRecord[]) => {
      await answer(topic);
      sent.push({ topic, records });
      return [];
    },
  };
}

function run(
  options: Partial<SimulationOptions> & { ratePerMinute: number; fraudRate?: number },
  deps: { time?: ReturnType<typeof fakeTime>; broker?: ReturnType<typeof fakeBroker>; signal?: AbortSignal },
) {
  const { time = fakeTime(), broker = fakeBroker(), signal = new AbortController().signal } = deps;
  const stream = createLiveStream({
    world: smallWorld,
    domains: ['gaming', 'fintech', 'ecommerce'],
    ratePerMinute: options.ratePerMinute,
    startMs: END_MS,
    fraudRate: options.fraudRate ?? 0.02,
    labelDelay: liveLabelDelay(5_000),
    irregularities: NO_IRREGULARITIES,
  });
  const { clock, monotonicMs } = time;
  return runSimulation(
    { stream, startMs: END_MS, labels: false, ...options },
    { producer: broker, clock, monotonicMs, log: silent },
    { signal },
  );
}

describe('token bucket', () => {
  test('gives out its rate however often it is asked', () => {
    for (const stepMs of [1, 7, 20, 333]) {
      const bucket = createTokenBucket({ ratePerMs: 0.5, capacity: 500, startMs: 0 });
      const taken: number[] = [];
      let nowMs = 0;
      for (; nowMs < 10_000; nowMs += stepMs) taken.push(bucket.take(nowMs, 1_000));
      const total = taken.reduce((sum, n) => sum + n, 0);
      expect(total).toBe(Math.floor((nowMs - stepMs) * 0.5));
    }
  });

  test('loses what does not fit, and gives no more than wanted', () => {
    const bucket = createTokenBucket({ ratePerMs: 1, capacity: 100, startMs: 0 });
    expect(bucket.take(60_000, 1_000)).toBe(100);
    expect(bucket.take(60_050, 20)).toBe(20);
    expect(bucket.take(60_050, 1_000)).toBe(30);
    expect(bucket.take(60_050, 1_000)).toBe(0);
  });

  test('says how long to wait for the next token', () => {
    const bucket = createTokenBucket({ ratePerMs: 5 / 60_000, capacity: 1, startMs: 0 });
    expect(bucket.msUntilNext(0)).toBeCloseTo(12_000);
    expect(bucket.take(11_999, 1)).toBe(0);
    expect(bucket.take(12_000, 1)).toBe(1);
    expect(bucket.msUntilNext(15_000)).toBeCloseTo(9_000);
  });
});

test('a due queue gives items in order of time, equals in order of entry', () => {
  const queue = createDueQueue<string>();
  for (const [dueMs, item] of [
    [5, 'c'],
    [1, 'a'],
    [5, 'd'],
    [3, 'b'],
    [9, 'e'],
  ] as const)
    queue.add(dueMs, item);
  const taken: string[] = [];
  for (let item = queue.takeDue(5); item !== undefined; item = queue.takeDue(5)) taken.push(item);
  expect(taken).toEqual(['a', 'b', 'c', 'd']);
  expect(queue.size).toBe(1);
});

test('percentiles are right to five percent', () => {
  const histogram = createDelayHistogram();
  for (let ms = 1; ms <= 1_000; ms += 1) histogram.add(ms);
  for (const [share, expected] of [
    [0.5, 500],
    [0.95, 950],
    [0.99, 990],
  ] as const) {
    expect(Math.abs((histogram.percentile(share) ?? 0) / expected - 1)).toBeLessThan(0.05);
  }
  expect(createDelayHistogram().percentile(0.5)).toBeNull();
});

describe('a run', () => {
  test('offers its rate over all domains together for its time', async () => {
    const broker = fakeBroker();
    const report = await run({ ratePerMinute: 10_000, durationMs: 60_000 }, { broker });
    expect(report.offered).toBeGreaterThanOrEqual(9_998);
    expect(report.offered).toBeLessThanOrEqual(10_000);
    expect(report).toMatchObject({
      acknowledged: report.offered,
      errors: 0,
      error_rate_percent: 0,
      interrupted: false,
    });
    expect(report.efficiency_percent).toBeGreaterThan(99.9);
    expect(report.send_delay_ms.p99).toBeLessThan(60);
    expect(new Set(broker.sent.map(({ topic }) => topic))).toEqual(
      new Set(['tx.gaming', 'tx.fintech', 'tx.ecommerce']),
    );
  });

  test('keeps the order of each key though some sends take longer than others', async () => {
    let sends = 0;
    const broker = fakeBroker(async () => {
      sends += 1;
      for (let turns = sends % 4; turns > 0; turns -= 1)
        await new Promise((resolve) => setImmediate(resolve));
    });
    await run({ ratePerMinute: 10_000, durationMs: 20_000 }, { broker });
    for (const [, records] of Map.groupBy(broker.events(), ({ key }) => key)) {
      const times = records.map(({ timestampMs }) => timestampMs ?? 0);
      expect(times).toEqual(times.toSorted((x, y) => x - y));
    }
  });

  test('stops after so many events, and at five a minute sends five a minute', async () => {
    expect((await run({ ratePerMinute: 1_000_000, maxEvents: 777 }, {})).offered).toBe(777);
    expect((await run({ ratePerMinute: 5, durationMs: 60_000 }, {})).offered).toBe(5);
  });

  test('sends labels when they are due and the rest at its end, none of them from the future', async () => {
    const broker = fakeBroker();
    const report = await run(
      { ratePerMinute: 6_000, durationMs: 30_000, labels: true, fraudRate: 0.3 },
      { broker },
    );
    const labels = broker.of('labels').map(({ value }) => JSON.parse(String(value)));
    expect(report.labels).toBe(labels.length);
    const sentIds = new Set(broker.events().map(({ value }) => JSON.parse(String(value)).transaction_id));
    expect(labels.length).toBeGreaterThan(sentIds.size / 4);
    for (const { event_id, label_available_at } of labels) {
      expect(sentIds.has(event_id)).toBe(true);
      expect(Date.parse(label_available_at)).toBeLessThanOrEqual(END_MS + 30_100);
    }
  });

  test('an outage of the broker stops the offering instead of filling the memory, and later events are on time', async () => {
    const time = fakeTime();
    const broker = fakeBroker(async () => {
      // The producer holds the first sends back for half a minute.
      while (time.monotonicMs() < 31_000) await new Promise((resolve) => setImmediate(resolve));
    });
    const report = await run({ ratePerMinute: 60_000, durationMs: 45_000 }, { time, broker });
    expect(report.errors).toBe(0);
    expect(report.offered).toBeLessThan(38_000);
    expect(report.efficiency_percent).toBeLessThan(85);
    const last = Math.max(...broker.events().map(({ timestampMs }) => timestampMs ?? 0));
    expect(Math.abs(last - (END_MS + 45_000))).toBeLessThan(5_100);
  });

  test('records that the producer gave up are errors of the report, and the run goes on', async () => {
    let sends = 0;
    const broker = fakeBroker(async () => {
      sends += 1;
      if (sends % 2 === 0) throw fault('KAFKA_UNAVAILABLE', { brokers: 'b', detail: 'gone' });
    });
    const report = await run({ ratePerMinute: 6_000, durationMs: 10_000 }, { broker });
    expect(report.errors).toBeGreaterThan(100);
    expect(report.acknowledged).toBeGreaterThan(100);
    expect(report.acknowledged + report.errors).toBe(report.offered);
  });

  test('any other error of the producer ends the run', async () => {
    const broker = fakeBroker(async () => {
      throw new TypeError('no such thing');
    });
    await expect(run({ ratePerMinute: 6_000, durationMs: 10_000 }, { broker })).rejects.toThrow(
      'no such thing',
    );
  });

  test('a signal stops an endless run at once', async () => {
    const controller = new AbortController();
    const broker = fakeBroker(async () => {
      controller.abort();
    });
    const report = await run({ ratePerMinute: 6_000, labels: true }, { broker, signal: controller.signal });
    expect(report.interrupted).toBe(true);
    expect(report.seconds).toBeLessThan(1);
  });
});
