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
import { projectRoot } from '../../support/sourceFiles.ts';
import { type OracleVector, oracleVectors } from './oracle.ts';
import { randomOf, randomStream } from './randomStream.ts';
import { type Bronze, differences, openBronzeRows, placeOf, someRestarts, streamVectors } from './support.ts';

/** Every edge of a window is moved by one, in the back-fill and in the stream: the agreement test must notice. */

const SETTINGS = { ...FEATURE_SETTINGS, ringRecords: 24 };
const SEEDS = 6;
const streams = Array.from({ length: SEEDS }, (_, seed) => randomStream(seed, 300, 'fintech'));
let set: FeatureSet;
let bronze: Bronze;
let wanted: OracleVector[];
let dir: string;

beforeAll(async () => {
  const [, fintech] = await openFeatures(paymentContent, SETTINGS);
  set = fintech as FeatureSet;
  const contract = paymentContent.contracts.find(({ table }) => table === set.source.table)!;
  bronze = await openBronzeRows(contract, streams.flat());
  wanted = streams.flatMap((records) => oracleVectors(records, 'fintech', SETTINGS));
  dir = await mkdtemp(join(tmpdir(), 'tidemark-mutants-'));
});
afterAll(async () => {
  await bronze[Symbol.asyncDispose]();
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
])('back-fill: %s', async (_, from, to) => {
  expect(backfillSql(set, 'bronze')).toContain(from);
  expect(await differencesOfSql((sql) => sql.replaceAll(from, to))).toBeGreaterThan(0);
});

test.each([
  ['lower edge', 'featureWindow.ts', 'fromMs <= time', 'fromMs < time'],
  ['upper edge', 'featureWindow.ts', 'time <= timeMs', 'time < timeMs'],
  ['lower edge of a shorter window', 'featureWindow.ts', '< fromMs', '<= fromMs'],
  [
    'lateness of what joins',
    'featureStream.ts',
    'arrivedAtMs - eventTimeMs > lat',
    'arrivedAtMs - eventTimeMs >= lat',
  ],
  ['lateness of the event', 'featureStream.ts', 'record.eventTimeMs > lat', 'record.eventTimeMs >= lat'],
  [
    'end of the ring',
    'featureRing.ts',
    'ring.count === ring.shape.maxRecords',
    'ring.count === ring.shape.maxRecords - 1',
  ],
  [
    'the event itself',
    'featureStream.ts',
    'readInputs(record, row);\n      const',
    'readInputs(record, row);\n      join(record);\n      const',
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

async function differencesOfSql(change: (sql: string) => string): Promise<number> {
  const found = await bronze.vectors(set, change);
  const inOrder = streams.flat().map((record) => found.get(placeOf(record)));
  return differences(set, inOrder, wanted).count;
}

let mutants = 0;

/** A copy of the stream's files with one text replaced, loaded by Node beside the real ones. */
async function differencesOfStream(file: string, from: string, to: string): Promise<number> {
  mutants += 1;
  const rooms = join(projectRoot, 'transforms');
  for (const name of globSync('feature*.ts', { cwd: rooms })) {
    const text = await readFile(join(rooms, name), 'utf8');
    const own = text
      .replaceAll("from '../", `from '${pathToFileURL(projectRoot)}/`)
      .replaceAll(/from '\.\/(feature\w*)\.ts'/g, `from './$1.${mutants}.ts'`)
      .replaceAll("from './project.ts'", `from '${pathToFileURL(rooms)}/project.ts'`);
    const mutated = name === file ? own.replaceAll(from, to) : own;
    await writeFile(join(dir, name.replace('.ts', `.${mutants}.ts`)), mutated);
  }
  const path = pathToFileURL(join(dir, `featureStream.${mutants}.ts`)).href;
  const module: { createStreamState: typeof createStreamState } = await import(/* @vite-ignore */ path);
  const found = streams.flatMap((records, seed) =>
    streamVectors(set, records, someRestarts(randomOf(-seed - 2)), module.createStreamState),
  );
  return differences(set, found, wanted).count;
}
