import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { DOMAINS } from '../../../ingestion/simulator/domains.ts';
import { pastEvents } from '../../../ingestion/simulator/timeline.ts';
import { createWorld } from '../../../ingestion/simulator/world.ts';
import { END_MS, liveRecords, smallWorld } from './simulated.ts';

const EVERYTHING = { late: 0.05, duplicates: 0.02, bad: 0.02, unknownFields: 0.02 };

function sha256(lines: readonly unknown[]): string {
  const hash = createHash('sha256');
  for (const line of lines) hash.update(`${JSON.stringify(line)}\n`);
  return hash.digest('hex');
}

function freshWorld(seed = 7) {
  return createWorld({ seed, actorsPerDomain: 200 });
}

test('the live stream of a seed and a start is the same, byte for byte, for ever', () => {
  const hash = sha256(liveRecords(3_000, { world: freshWorld(), irregularities: EVERYTHING }));
  expect(hash).toBe('0892a0e4681740b7f6b9a61b386a4dc3f0dcc459d13d5e6deec76b5982c68938');
  expect(sha256(liveRecords(3_000, { world: freshWorld(8), irregularities: EVERYTHING }))).not.toBe(hash);
});

test('the history of a seed is the same, byte for byte, for ever', () => {
  const history = (world = freshWorld()) =>
    DOMAINS.flatMap((domain) => pastEvents({ world, domain, endMs: END_MS, days: 5, fraudRate: 0.02 }));
  const hash = sha256(history());
  expect(hash).toBe('a8fc585103d5bd47d609866be6c6fe9d8ec86708b9d06c4cfa0e5b037607adff');
  expect(sha256(history(freshWorld(8)))).not.toBe(hash);
});

test('runs that start at different times share their people, but no event', () => {
  const first = liveRecords(2_000);
  const second = liveRecords(2_000, { startMs: END_MS + 60_000 });
  const ids = new Set(first.map(({ truth }) => truth.eventId));
  expect(second.some(({ truth }) => ids.has(truth.eventId))).toBe(false);
  const people = new Set(first.map(({ key }) => key));
  expect(second.filter(({ key }) => people.has(key)).length).toBeGreaterThan(1_000);
});

test('live traffic meets the people of history', () => {
  const options = { world: smallWorld, endMs: END_MS, days: 20, fraudRate: 0.02 };
  const past = DOMAINS.flatMap((domain) => pastEvents({ ...options, domain }));
  const known = new Set(past.map(({ key }) => key));
  const live = liveRecords(2_000, { fraudRate: 0 });
  expect(live.filter(({ key }) => known.has(String(key))).length).toBeGreaterThan(1_800);
});

test('event ids are unique and actors of different domains never meet', () => {
  const records = liveRecords(20_000);
  expect(new Set(records.map(({ truth }) => truth.eventId)).size).toBe(records.length);
  const domainsOf = Map.groupBy(records, ({ key }) => key);
  for (const [, of] of domainsOf) expect(new Set(of.map(({ topic }) => topic)).size).toBe(1);
});
