import { describe, expect, test } from 'vitest';
import { DOMAINS, type Domain } from '../../../ingestion/simulator/domains.ts';
import { type PastEvent, pastEvents } from '../../../ingestion/simulator/timeline.ts';
import { createWorld } from '../../../ingestion/simulator/world.ts';
import { END_MS, share } from './simulated.ts';

const FRAUD_RATE = 0.02;

const world = createWorld({ seed: 11, actorsPerDomain: 500 });

const historyOf = Object.fromEntries(
  DOMAINS.map((domain) => [
    domain,
    pastEvents({ world, domain, endMs: END_MS, days: 60, fraudRate: FRAUD_RATE }),
  ]),
) as Record<Domain, PastEvent[]>;

describe.each(DOMAINS)('%s', (domain) => {
  const events = historyOf[domain];

  test('two of a hundred sequences are frauds, and a few percent of the events', () => {
    const sequences = new Map(events.map(({ truth }) => [truth.sequenceId, truth.fraud]));
    expect(sequences.size).toBeGreaterThan(5_000);
    const frauds = share([...sequences.values()], (fraud) => fraud);
    expect(frauds).toBeGreaterThan(0.015);
    expect(frauds).toBeLessThan(0.025);
    expect(share(events, ({ truth }) => truth.fraud)).toBeLessThan(0.06);
  });

  test('every fraud of the domain happens', () => {
    const kinds = new Set(events.filter(({ truth }) => truth.fraud).map(({ truth }) => truth.pattern));
    expect(kinds.size).toBe(3);
  });

  test('no column of one event tells fraud apart: average precision at most one half', () => {
    const precisions = averagePrecisions(events);
    expect(precisions.length).toBeGreaterThan(10);
    expect(precisions.filter(({ precision }) => precision > 0.5)).toEqual([]);
    // The measure sees something: a column that gives it all away has a precision near one.
    const given = averagePrecisions(events, ({ truth }) => ({ truth: truth.fraud ? 'x' : 'y' }));
    expect(given[0]?.precision).toBeGreaterThan(0.99);
  });

  test('most actors have a past: windows have something in them', () => {
    const counts = Map.groupBy(events, ({ key }) => key);
    expect(share(events, ({ key }) => (counts.get(key)?.length ?? 0) >= 10)).toBeGreaterThan(0.8);
  });
});

test('by default 60 days of the three domains are at least 200,000 events', () => {
  const total = DOMAINS.reduce((sum, domain) => sum + historyOf[domain].length, 0);
  expect(total * 2).toBeGreaterThan(205_000);
  expect(total * 2).toBeLessThan(280_000);
});

test('nothing lies in the future, and some events arrive hours late', () => {
  const all = DOMAINS.flatMap((domain) => historyOf[domain]);
  expect(all.every((e) => e.arrivedAtMs <= END_MS && e.eventTimeMs < e.arrivedAtMs)).toBe(true);
  const late = share(all, (e) => e.arrivedAtMs - e.eventTimeMs > 3_600_000);
  expect(late).toBeGreaterThan(0.001);
  expect(late).toBeLessThan(0.01);
});

interface ColumnPrecision {
  readonly column: string;
  readonly precision: number;
}

/**
 * Learns the fraud rate of each value of a column from the older half, and ranks the newer half by it.
 * Numbers are cut into 40 bins first; values that were never seen count as the average.
 */
function averagePrecisions(
  events: readonly PastEvent[],
  columnsOf: (event: PastEvent) => Record<string, unknown> = rawColumns,
): ColumnPrecision[] {
  const rows = events.map(columnsOf);
  const columns = [...new Set(rows.slice(0, 500).flatMap((row) => Object.keys(row)))];
  const half = rows.length >> 1;
  const frauds = events.map(({ truth }) => truth.fraud);
  return columns
    .map((column) => {
      const values = binned(rows.map((row) => row[column]));
      const score = learn(values.slice(0, half), frauds);
      return { column, precision: rank(values.slice(half).map(score), frauds.slice(half)) };
    })
    .toSorted((x, y) => y.precision - x.precision);
}

function rawColumns({ value }: PastEvent): Record<string, unknown> {
  const event = JSON.parse(value);
  const flat: Record<string, unknown> = {
    network: String(event.ip_address).split('.').slice(0, 2).join('.'),
  };
  const walk = (prefix: string, node: unknown) => {
    if (typeof node === 'object' && node !== null) {
      if (Array.isArray(node)) flat[`${prefix}length`] = node.length;
      for (const [name, inner] of Object.entries(node)) walk(`${prefix}${name}.`, inner);
    } else flat[prefix] = node;
  };
  walk('', event);
  flat['hour'] = Number(event.timestamp.slice(11, 13));
  return flat;
}

function binned(values: readonly unknown[]): string[] {
  const numbers = values.filter((value) => typeof value === 'number').toSorted((x, y) => x - y);
  const edges = Array.from(
    { length: 39 },
    (_, n) => numbers[Math.floor(((n + 1) * numbers.length) / 40)] ?? 0,
  );
  return values.map((value) =>
    typeof value === 'number' ? `bin ${edges.filter((edge) => edge <= value).length}` : String(value),
  );
}

function learn(values: readonly string[], frauds: readonly boolean[]): (value: string) => number {
  const base = share(frauds, (fraud) => fraud);
  const seen = new Map<string, { n: number; fraud: number }>();
  values.forEach((value, index) => {
    const entry = seen.get(value) ?? { n: 0, fraud: 0 };
    seen.set(value, { n: entry.n + 1, fraud: entry.fraud + (frauds[index] ? 1 : 0) });
  });
  return (value) => {
    const { n, fraud } = seen.get(value) ?? { n: 0, fraud: 0 };
    return (fraud + 5 * base) / (n + 5);
  };
}

/** Average precision; equal scores share their precision. */
function rank(scores: readonly number[], frauds: readonly boolean[]): number {
  const groups = [...Map.groupBy(scores.keys(), (index) => scores[index] ?? 0)].toSorted(
    (x, y) => y[0] - x[0],
  );
  const total = frauds.filter(Boolean).length;
  let seen = 0;
  let found = 0;
  let sum = 0;
  for (const [, indexes] of groups) {
    const hits = indexes.filter((index) => frauds[index]).length;
    seen += indexes.length;
    found += hits;
    sum += (hits / total) * (found / seen);
  }
  return sum;
}
