import { expect, test } from 'vitest';
import { StallWatch } from '../../ingestion/stallWatch.ts';

const look = { topic: 'parcels', lag: 5, accepted: 1, isBusy: false };

test('records that wait while nothing comes are a stall after a minute and a half', () => {
  const watch = new StallWatch();
  for (let ms = 0; ms <= 90_000; ms += 5_000) watch.look(look, ms);
  expect(() => watch.look(look, 95_000)).toThrow(
    expect.objectContaining({ code: 'LANDING_STALLED', details: { topic: 'parcels', lag: 5, seconds: 95 } }),
  );
});

test.each([
  ['something comes', { accepted: 2 }],
  ['nothing waits', { lag: 0 }],
  ['the flusher is behind', { isBusy: true }],
])('no stall when %s', (_name, change) => {
  const watch = new StallWatch();
  for (let ms = 0; ms <= 90_000; ms += 5_000) watch.look(look, ms);
  watch.look({ ...look, ...change }, 95_000);
  watch.look({ ...look, ...change }, 100_000);
});

test('the time in which no broker answered does not count: the client needs a while to come back', () => {
  const watch = new StallWatch();
  watch.look({ ...look, lag: 0 }, 0);
  watch.look(look, 120_000);
  watch.look(look, 125_000);
  for (let ms = 130_000; ms <= 210_000; ms += 5_000) watch.look(look, ms);
  expect(() => watch.look(look, 215_000)).toThrow('parcels');
});
