import { expect, test } from 'vitest';
import { paymentContent } from '../../../infra/content.ts';
import { compileDecoder } from '../../../ingestion/decoder.ts';
import { DOMAINS, LABELS_TOPIC, TOPIC_OF } from '../../../ingestion/simulator/domains.ts';
import { HISTORY_LABEL_DELAY, labelsOf } from '../../../ingestion/simulator/labelling.ts';
import { CURRENCIES, type Currency } from '../../../ingestion/simulator/money.ts';
import { pastEvents } from '../../../ingestion/simulator/timeline.ts';
import { END_MS, liveRecords, smallWorld } from './simulated.ts';

const decoders = new Map(
  paymentContent.contracts.map((contract) => [
    contract.topic,
    { contract, decoder: compileDecoder(contract) },
  ]),
);

function judge(topic: string, record: { key: unknown; value: unknown; arrivedAtMs: number }) {
  const bytes = (data: unknown) => (data === null ? null : Buffer.from(data as string));
  const { key, value, arrivedAtMs } = record;
  return decoders.get(topic)!.decoder.judge({ key: bytes(key), value: bytes(value), arrivedAtMs });
}

test('every event and label of a history passes the contract of its topic, with nothing to rescue', () => {
  for (const domain of DOMAINS) {
    const events = pastEvents({ world: smallWorld, domain, endMs: END_MS, days: 30, fraudRate: 0.05 });
    expect(events.length).toBeGreaterThan(3_000);
    const refused = events.filter((event) => {
      const verdict = judge(TOPIC_OF[domain], event);
      return (
        verdict.kind === 'bad' || verdict.rescued !== undefined || verdict.eventTimeMs !== event.eventTimeMs
      );
    });
    expect(refused).toEqual([]);
    const labels = events.flatMap((event) => labelsOf(event, { seed: 7, delay: HISTORY_LABEL_DELAY }));
    expect(labels.length).toBeGreaterThan(50);
    const refusedLabels = labels.filter(
      (label) => judge(LABELS_TOPIC, { ...label, arrivedAtMs: label.availableAtMs }).kind === 'bad',
    );
    expect(refusedLabels).toEqual([]);
  }
});

test('live events pass the contract and are spelled compactly in its order of fields', () => {
  for (const { topic, key, value, timestampMs } of liveRecords(2_000)) {
    expect(judge(topic, { key, value, arrivedAtMs: timestampMs })).toHaveProperty('kind', 'good');
    const parsed = JSON.parse(String(value));
    const order = decoders.get(topic)!.contract.fields.map(({ name }) => name);
    const names = Object.keys(parsed);
    expect(names).toEqual(order.filter((name) => names.includes(name)));
    const plain = (text: string) =>
      text.replaceAll(/(\d)\.(\d*?)0+(?=[,}])/g, '$1.$2').replaceAll(/\.(?=[,}])/g, '');
    expect(plain(String(value))).toBe(plain(JSON.stringify(parsed)));
  }
});

test('amounts have exactly the minor digits of their currency', () => {
  const seen = new Set<string>();
  for (const { value } of liveRecords(6_000)) {
    const { currency } = JSON.parse(String(value)) as { currency: Currency };
    seen.add(currency);
    const amounts = [...String(value).matchAll(/"(?:amount|price)":([^,}]+)/g)].map((match) => match[1]);
    expect(amounts.length).toBeGreaterThan(0);
    const form = CURRENCIES[currency].minorDigits === 0 ? /^[1-9]\d*$/ : /^\d+\.\d{2}$/;
    for (const amount of amounts) expect(amount).toMatch(form);
  }
  expect(seen.size).toBe(5);
});

test('nothing that only the simulator knows is in an event', () => {
  const records = liveRecords(5_000, { fraudRate: 0.3 });
  const patterns = new Set(records.map(({ truth }) => truth.pattern));
  expect(patterns.size).toBe(16);
  const telling = /fraud|pattern|sequence|position|test_id|regular|label|truth|simulat|takeover|launder/i;
  expect(records.filter(({ value }) => telling.test(String(value)))).toEqual([]);
});
