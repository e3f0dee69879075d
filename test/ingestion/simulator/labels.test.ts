import { expect, test } from 'vitest';
import { DOMAINS } from '../../../ingestion/simulator/domains.ts';
import {
  availableBy,
  HISTORY_LABEL_DELAY,
  labelsOf,
  liveLabelDelay,
} from '../../../ingestion/simulator/labelling.ts';
import { pastEvents } from '../../../ingestion/simulator/timeline.ts';
import { END_MS, share, smallWorld } from './simulated.ts';

const DAY = 86_400_000;

const events = DOMAINS.flatMap((domain) =>
  pastEvents({ world: smallWorld, domain, endMs: END_MS, days: 30, fraudRate: 0.3 }),
);
const labelled = events.map((event) => ({
  event,
  labels: labelsOf(event, { seed: 7, delay: HISTORY_LABEL_DELAY }),
}));
const frauds = labelled.filter(({ event }) => event.truth.fraud);

test('a chargeback comes one to ten days after the event, three in the middle', () => {
  const delays = frauds
    .flatMap(({ event, labels }) =>
      labels.slice(0, 1).map((l) => (l.availableAtMs - event.eventTimeMs) / DAY),
    )
    .toSorted((x, y) => x - y);
  expect(delays.length).toBeGreaterThan(2_000);
  expect(delays[0]).toBeGreaterThanOrEqual(1);
  expect(delays.at(-1)).toBeLessThanOrEqual(10);
  expect(delays[delays.length >> 1]).toBeGreaterThan(2.7);
  expect(delays[delays.length >> 1]).toBeLessThan(3.3);
});

test('two of a hundred frauds are never reported', () => {
  const unreported = share(frauds, ({ labels }) => labels.length === 0);
  expect(unreported).toBeGreaterThan(0.01);
  expect(unreported).toBeLessThan(0.03);
});

test('a wrong label is put right by a later revision, and about one of a hundred is wrong', () => {
  const all = labelled.filter(({ labels }) => labels.length > 0);
  const wrong = all.filter(({ labels }) => labels.length > 1);
  for (const { event, labels } of wrong) {
    const [first, second] = labels.map(({ value }) => JSON.parse(value));
    expect(second).toMatchObject({ label_id: first.label_id, event_id: event.truth.eventId, revision: 2 });
    expect(first.revision).toBe(1);
    expect(first.label).not.toBe(second.label);
    expect(second.label).toBe(event.truth.fraud ? 'fraud' : 'legitimate');
    expect(Date.parse(second.label_available_at)).toBeGreaterThan(Date.parse(first.label_available_at));
  }
  expect(wrong.length / all.length).toBeGreaterThan(0.002);
  expect(wrong.length / all.length).toBeLessThan(0.02);
});

test('all other labels name the fraud that it was', () => {
  for (const { event, labels } of frauds.filter((f) => f.labels.length === 1)) {
    expect(JSON.parse(labels[0]!.value)).toMatchObject({
      event_id: event.truth.eventId,
      label: 'fraud',
      fraud_type: event.truth.pattern,
      source: 'chargeback',
    });
  }
});

test('labels depend on the event and the seed alone, and live ones come within minutes', () => {
  const fraud = frauds.find(({ labels }) => labels.length === 1)!.event;
  const options = { seed: 7, delay: liveLabelDelay(120_000) };
  expect(labelsOf(fraud, options)).toEqual(labelsOf({ ...fraud }, options));
  const [label] = labelsOf(fraud, options);
  expect(label!.availableAtMs - fraud.eventTimeMs).toBeLessThanOrEqual(400_000);
  expect(label!.availableAtMs - fraud.eventTimeMs).toBeGreaterThanOrEqual(40_000);
});

test('a label that is sent early says so', () => {
  const label = frauds.find(({ labels }) => labels.length > 0)!.labels[0]!;
  const early = availableBy(label, label.availableAtMs - 1_000);
  expect(JSON.parse(early.value).label_available_at).toBe(
    new Date(label.availableAtMs - 1_000).toISOString(),
  );
  expect(availableBy(label, label.availableAtMs)).toBe(label);
  expect(availableBy(label, label.availableAtMs - 0.3).availableAtMs).toBe(label.availableAtMs - 1);
});
