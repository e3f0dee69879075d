import { expect, test } from 'vitest';
import { openFeatures } from '../../../infra/features.ts';
import { sensorContent } from '../../support/sensors/content.ts';
import { openLandedRows } from './landedRows.ts';
import type { StreamRecord } from './randomStream.ts';
import { placeOf, streamVectors } from './support.ts';

const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 1);

/** Minute, degrees (absent: the probe failed), whether calibrated → is_frost, mean_10m, jump. */
const ROWS: readonly [number, number | undefined, boolean, number, number, number][] = [
  [0, 1, true, 0, Number.NaN, Number.NaN],
  [1, -0.04, false, 0, 10, 10], // −0.4 tenths round to 0
  [5, undefined, true, Number.NaN, 10, Number.NaN],
  [10, 2.5, true, 0, 10, 15], // exactly 10 minutes after the first
  [11, -3.1, true, 1, 25, 56],
  [21, 0, true, 0, -31, 31], // the reading of minute 10 is out, that of 11 is in
];

test('a domain without money: three features by content alone, the same in the stream and from bronze', async () => {
  const content = sensorContent('readings');
  const [set, ...others] = await openFeatures(content);
  expect(others).toEqual([]);
  const [contract] = content.contracts;
  const records = ROWS.map(([minute, celsius, calibrated], offset): StreamRecord => {
    const eventTimeMs = START + minute * MINUTE;
    const value = {
      reading_uid: String(offset),
      sensor: 'attic',
      measured: new Date(eventTimeMs).toISOString(),
      ...(celsius === undefined ? {} : { celsius }),
      calibrated,
    };
    const place = { topicId: 'topic-1', partition: 0, offset, key: 'attic' };
    return { ...place, value, eventTimeMs, arrivedAtMs: eventTimeMs + 1_000 };
  });
  const wanted = ROWS.map(([, , , ...values]) => ({ status: 'PRESENT', values }));
  expect(set!.features.map(({ entry }) => entry.name)).toEqual(['is_frost', 'mean_10m', 'jump']);
  expect(streamVectors(set!, records)).toEqual(wanted);
  const visible = records.map((record) => ({ ...record, visibleFromMs: 0 }));
  await using landed = await openLandedRows([contract!], { 'bronze.readings': visible });
  const found = await landed.vectors(set!);
  expect(records.map((record) => found.get(placeOf(record)))).toEqual(wanted);
});
