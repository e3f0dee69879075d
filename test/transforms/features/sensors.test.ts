import { expect, test } from 'vitest';
import { openFeatures } from '../../../infra/features.ts';
import { sensorContent } from '../../support/sensors/content.ts';
import { openLandedRows } from './landedRows.ts';
import type { StreamRecord } from './randomStream.ts';
import { placeOf, streamVectors } from './support.ts';

const MINUTE = 60_000;
const HOUR = 3_600_000;
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

test('a domain without money: features by content alone, the same in the stream and from bronze', async () => {
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
  const none = [Number.NaN, Number.NaN];
  const wanted = ROWS.map(([, , , frost, mean, jump]) => ({
    status: 'PRESENT',
    values: [frost, mean, ...none, jump],
  }));
  expect(set!.features.map(({ entry }) => entry.name)).toEqual([
    'is_frost',
    'mean_10m',
    'coldest_2h',
    'probes_2h',
    'jump',
  ]);
  const visible = records.map((record) => ({ ...record, visibleFromMs: 0 }));
  await using landed = await openLandedRows([contract!], { 'bronze.readings': visible });
  const found = await landed.vectors(set!, { tiles: await landed.buildTiles(set!.gold) });
  expect(records.map((record) => found.get(placeOf(record)))).toEqual(wanted);
  expect(streamVectors(set!, records)).toEqual(wanted);
});

test('gold features of that domain: of the key, and of an entity that not every event names', async () => {
  const content = sensorContent('readings');
  const [set] = await openFeatures(content);
  const readings: readonly [number, string, number, string | undefined][] = [
    [0, 'attic', -3, 'top'],
    [10, 'loft', 4, 'top'],
    [59, 'attic', -1, 'top'],
    [74, 'attic', 0, 'top'], // less than 15 minutes after the hour
    [75, 'attic', 0, 'top'],
    [76, 'attic', 0, undefined],
    [77, 'cellar', 0, 'bottom'],
    [195, 'attic', 0, 'top'], // the first hour is out of two hours
  ];
  const records = readings.map(([minute, key, celsius, room], offset) => {
    const eventTimeMs = START + minute * MINUTE;
    const value = {
      reading_uid: String(offset),
      sensor: key,
      measured: new Date(eventTimeMs).toISOString(),
      celsius,
      ...(room === undefined ? {} : { room }),
      calibrated: true,
    };
    const place = { topicId: 'topic-1', partition: 0, offset, key };
    const visibleFromMs = Math.ceil(eventTimeMs / HOUR) * HOUR;
    return { ...place, value, eventTimeMs, arrivedAtMs: eventTimeMs + 1_000, visibleFromMs };
  });
  await using landed = await openLandedRows(content.contracts, { 'bronze.readings': records });
  const tiles = await landed.buildTiles(set!.gold);
  const view = await landed.viewMarts(set!.gold, tiles, [{ at: 'each', fromMs: 0, toMs: landed.endMs }]);
  const found = await landed.vectors(set!, { tiles });
  const slots = ['coldest_2h', 'probes_2h'].map((name) =>
    set!.features.findIndex((f) => f.entry.name === name),
  );
  const wanted = [
    [Number.NaN, 0],
    [Number.NaN, 0],
    [Number.NaN, 0],
    [Number.NaN, 0],
    [-30, 2],
    [-30, Number.NaN],
    [Number.NaN, 0],
    [0, 1],
  ];
  const ofSql = records.map((record) => slots.map((slot) => found.get(placeOf(record))?.values[slot]));
  expect(ofSql).toEqual(wanted);
  const ofStream = streamVectors(set!, records, { view }).map(({ values }) =>
    slots.map((slot) => values[slot]),
  );
  expect(ofStream).toEqual(wanted);
});
