import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { paymentContent } from '../../../infra/content.ts';
import { openFeatures } from '../../../infra/features.ts';
import { FEATURE_SETTINGS } from '../../../transforms/feature.ts';
import type { FeatureSet } from '../../../transforms/featureSet.ts';
import { backfillSql } from '../../../transforms/featureSql.ts';
import type { createStreamState } from '../../../transforms/featureStream.ts';
import type { MartPoints } from '../../../transforms/goldMarts.ts';
import type { GoldView } from '../../../transforms/goldView.ts';
import { projectRoot } from '../../support/sourceFiles.ts';
import { goldOracle } from './goldOracle.ts';
import { type LandedRows, openWorlds } from './landedRows.ts';
import { centsOf, type OracleVector, oracleVectors } from './oracle.ts';
import { randomOf } from './randomStream.ts';
import { randomWorld } from './randomWorld.ts';
import { differences, placeOf, someRestarts, streamVectors } from './support.ts';

/** Every edge of a window is moved by one, in the back-fill and in the stream: the agreement test must notice. */

const SETTINGS = { ...FEATURE_SETTINGS, ringRecords: 24 };
const SEEDS = 6;
const worlds = Array.from({ length: SEEDS }, (_, seed) => randomWorld(seed, 300));
const streams = worlds.map((world) => world.streams.fintech);
let set: FeatureSet;
let landed: LandedRows;
let tiles: Readonly<Record<string, string>>;
let view: GoldView;
let wanted: OracleVector[];
let dir: string;

beforeAll(async () => {
  const [, fintech] = await openFeatures(paymentContent, SETTINGS);
  set = fintech as FeatureSet;
  landed = await openWorlds(paymentContent.contracts, worlds);
  tiles = await landed.buildTiles(set.gold);
  view = await landed.viewMarts(set.gold, tiles, stretches());
  wanted = worlds.flatMap((world) => {
    const gold = goldOracle(world, SETTINGS, centsOf);
    const records = world.streams.fintech;
    return oracleVectors(records, 'fintech', SETTINGS, (i) => gold(records[i]!, 'fintech'));
  });
  dir = await mkdtemp(join(tmpdir(), 'tidemark-mutants-'));
}, 60_000);
afterAll(async () => {
  await landed[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

test('unchanged, nothing differs', async () => {
  expect(await differencesOfSql((sql) => sql)).toBe(0);
  expect(await differencesOfStream('featureWindow.ts', '', '')).toBe(0);
});

test.each([
  ['lower edge, 5 min', 'x.time_ms >= e.time_ms - 300000', 'x.time_ms > e.time_ms - 300000'],
  ['lower edge, 1 h', 'x.time_ms >= e.time_ms - 3600000', 'x.time_ms > e.time_ms - 3600000'],
  ['lower edge, 24 h', 'x.time_ms >= e.time_ms - 86400000', 'x.time_ms > e.time_ms - 86400000'],
  ['upper edge', 'x.time_ms <= e.time_ms', 'x.time_ms < e.time_ms'],
  ['the event itself', 'x.place < e.place', 'x.place <= e.place'],
  ['end of the ring', 'x.place >= e.place - 24', 'x.place > e.place - 24'],
  ['lateness', 'arrived_at_ms - time_ms <= 3600000', 'arrived_at_ms - time_ms < 3600000'],
  ['the order of incarnations', 'order by is_live,', 'order by not is_live,'],
  ['stretches of the ring', 'e.place // 24 - ring_back', 'e.place // 24 - 0 * ring_back'],
  ['stretches of time', 'e.time_ms // 86400000 - time_back', 'e.time_ms // 86400000 - 0 * time_back'],
  ['bad rows', 'where _error is null', 'where _error is not null'],
  ['a grid point is behind its hours', 't.hour < p.as_of_ms', 't.hour <= p.as_of_ms'],
  ['lower edge of 7 d', 'hour >= as_of_ms - 604800000', 'hour > as_of_ms - 604800000'],
  ['lower edge of 30 d', 'hour >= as_of_ms - 2592000000', 'hour > as_of_ms - 2592000000'],
  [
    'lower edge of the longest window',
    't.hour >= p.as_of_ms - 7776000000',
    't.hour > p.as_of_ms - 7776000000',
  ],
  ['what is visible', 't.visible_from <= p.as_of_ms', 't.visible_from < p.as_of_ms'],
  ['grace', '(time_ms - 900000) //', '(time_ms - 900001) //'],
  ['no grace', '(time_ms - 900000) //', '(time_ms - 0) //'],
])('back-fill: %s', async (_, from, to) => {
  expect(backfillSql(set, 'bronze')).toContain(from);
  expect(await differencesOfSql((sql) => sql.replaceAll(from, to))).toBeGreaterThan(0);
});

test.each([
  ['hours of events', 'time_ms // 3600000 * 3600000', '(time_ms - 1) // 3600000 * 3600000'],
  ['bad rows', 'where _error is null', 'where true'],
  ['the later of label and event', 'greatest(s.visible_from_ms, l.visible_from_ms)', 's.visible_from_ms'],
  ['when a label is known', 'greatest("label_available_at", _arrived_at)', '"label_available_at"'],
  ['hours of labels', 'known_at_ms // 3600000 * 3600000', '(known_at_ms - 1) // 3600000 * 3600000'],
  ['what a correction takes back', '-"fraud"', '0'],
  ['the newest revision', 'order by k.revision desc', 'order by k.revision'],
  ['the strongest statement', 'order by rank, known_at_ms desc', 'order by known_at_ms desc'],
  ['the newest statement', 'order by rank, known_at_ms desc', 'order by rank, known_at_ms'],
  [
    'the first row of an event',
    'by event_id order by visible_from_ms,',
    'by event_id order by -visible_from_ms,',
  ],
  ['up to the moment', 'k.at_ms <= p.at_ms', 'k.at_ms < p.at_ms'],
])('tiles: %s', async (_, from, to) => {
  const texts: string[] = [];
  const change = (sql: string) => {
    texts.push(sql);
    return sql.replaceAll(from, to);
  };
  const changed = await landed.buildTiles(set.gold, { change });
  expect(texts.join('\n')).toContain(from);
  expect(await differencesOfSql((sql) => sql, changed)).toBeGreaterThan(0);
});

test.each([
  [
    'when a tile comes in',
    'greatest(visible_from, hour + 3600000)',
    'greatest(visible_from, hour + 7200000)',
  ],
  ['that it has to be visible', 'greatest(visible_from, hour + 3600000)', 'hour + 3600000'],
  ['when it falls out of 7 d', 'hour + 608400000', 'hour + 612000000'],
  ['when it falls out of 90 d', 'hour + 7779600000', 'hour + 7783200000'],
  ['the first point of a stretch', 'as_of_ms > ', 'as_of_ms > 3600000 + '],
  ['the last point of a stretch', 'as_of_ms <= ', 'as_of_ms < '],
])('marts: %s', async (_, from, to) => {
  const texts: string[] = [];
  const change = (sql: string) => {
    texts.push(sql);
    return sql.replaceAll(from, to);
  };
  const changed = await landed.viewMarts(set.gold, tiles, stretches(), change);
  expect(texts.join('\n')).toContain(from);
  const found = streams.flatMap((records) => streamVectors(set, records, { view: changed }));
  expect(differences(set, found, wanted).count).toBeGreaterThan(0);
});

test.each([
  ['grace', 'feature.ts', '(eventTimeMs - graceMs)', '(eventTimeMs - graceMs - 1)'],
  ['lower edge', 'featureWindow.ts', 'fromMs <= time', 'fromMs < time'],
  ['upper edge', 'featureWindow.ts', 'time <= timeMs', 'time < timeMs'],
  [
    'lateness of what joins',
    'featureStream.ts',
    'arrivedAtMs - eventTimeMs > lat',
    'arrivedAtMs - eventTimeMs >= lat',
  ],
  ['lateness of the event', 'featureStream.ts', 'record.eventTimeMs > lat', 'record.eventTimeMs >= lat'],
  ['end of the ring', 'featureRing.ts', 'ring.count === maxRecords', 'ring.count === maxRecords - 1'],
  [
    'the event itself',
    'featureStream.ts',
    'gold.read(record, row);\n      const',
    'gold.read(record, row);\n      join(record);\n      const',
  ],
  [
    'what is forgotten',
    'featureStream.ts',
    'MAX_REACH_MS = 86_400_000 + 15 * 60_000',
    'MAX_REACH_MS = 72_000_000',
  ],
])('stream: %s', async (_, file, from, to) => {
  expect(await readFile(join(projectRoot, 'transforms', file), 'utf8')).toContain(from);
  expect(await differencesOfStream(file, from, to)).toBeGreaterThan(0);
});

// === Helpers ===

/** Stretches of grid points that end where something became visible. */
function stretches(): MartPoints[] {
  const points = new Set(streams.flat().map((record) => record.visibleFromMs));
  const ends = [...points].toSorted((a, b) => a - b).filter((_, i) => i % 60 === 0);
  return [...ends, landed.endMs].map((toMs, i) => ({ at: 'each', fromMs: ends[i - 1] ?? 0, toMs }));
}

async function differencesOfSql(change: (sql: string) => string, from = tiles): Promise<number> {
  const found = await landed.vectors(set, { tiles: from }, change);
  const inOrder = streams.flat().map((record) => found.get(placeOf(record)));
  return differences(set, inOrder, wanted).count;
}

let mutants = 0;

/** A copy of the stream's files with one text replaced, loaded by Node beside the real ones. */
async function differencesOfStream(file: string, from: string, to: string): Promise<number> {
  mutants += 1;
  const rooms = join(projectRoot, 'transforms');
  for (const name of globSync('{feature,gold}*.ts', { cwd: rooms })) {
    const text = await readFile(join(rooms, name), 'utf8');
    const own = text
      .replaceAll("from '../", `from '${pathToFileURL(projectRoot)}/`)
      .replaceAll(/from '\.\/((?:feature|gold)\w*)\.ts'/g, `from './$1.${mutants}.ts'`)
      .replaceAll("from './project.ts'", `from '${pathToFileURL(rooms)}/project.ts'`);
    const mutated = name === file ? own.replaceAll(from, to) : own;
    await writeFile(join(dir, name.replace('.ts', `.${mutants}.ts`)), mutated);
  }
  const path = pathToFileURL(join(dir, `featureStream.${mutants}.ts`)).href;
  const module: { createStreamState: typeof createStreamState } = await import(/* @vite-ignore */ path);
  const found = streams.flatMap((records, seed) =>
    streamVectors(set, records, {
      restartAt: someRestarts(randomOf(-seed - 2)),
      createState: module.createStreamState,
      view,
    }),
  );
  return differences(set, found, wanted).count;
}
