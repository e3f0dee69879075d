import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Content, paymentContent } from '../../../infra/content.ts';
import { loadConfig } from '../../../infra/core/config.ts';
import type { Lake } from '../../../lakehouse/lake.ts';
import { openRegistry } from '../../../scoring/registry.ts';
import { promoteModel, rollBackModel } from '../../../scoring/registryMoves.ts';
import { trainCandidate } from '../../../scoring/training/candidate.ts';
import type { Extract } from '../../../scoring/training/extract.ts';
import type { Gate } from '../../../scoring/training/gates.ts';
import { withShuffledClasses } from '../../../scoring/training/leaks.ts';
import { periodsOf } from '../../../scoring/training/periods.ts';
import type { RowSet } from '../../../scoring/training/rowSet.ts';
import { type TrainingReport, trainModel } from '../../../scoring/training/trainModel.ts';
import { DEFAULT_TREES } from '../../../scoring/training/treeTraining.ts';
import { loadXgboost } from '../../../scoring/training/xgboostLibrary.ts';
import type { FeatureEntry } from '../../../transforms/feature.ts';
import type { TempLake } from '../../support/tempLake.ts';
import { landLabels } from '../../transforms/payments.ts';
import { END_MS, extractAt, featuresOf, openHistoryLake, release } from './historyLake.ts';

/** From a landed history to a promoted model, and what a lake may not do to it. */

const DAY_MS = 86_400_000;
const PERIODS = periodsOf(END_MS, paymentContent.scoring.training);
const WORLD = { actors: 40, fraudRate: 0.06 };
const xgboost = loadXgboost(loadConfig({}).toolsDir);
let lake: TempLake;
let rows: Extract;
let first: TrainingReport;

beforeAll(async () => {
  lake = await openHistoryLake(WORLD);
  rows = await extractAt(lake, END_MS);
  first = await train(lake);
}, 300_000);

afterAll(() => lake?.[Symbol.asyncDispose]());

/** With few events, of which half are left for training, floors of the demo say nothing. */
async function train(on: Lake, content: Content = paymentContent, promote = false): Promise<TrainingReport> {
  const { training, ...scoring } = content.scoring;
  const floors = { recallAt1PercentFpr: 0.01, perClass: {}, minSupport: 30 };
  const deps = { lake: on, registry: openRegistry(on), xgboost, say: () => {} };
  return await trainModel(deps, {
    ...(await featuresOf(content)),
    scoring: { ...scoring, training: { ...training, floors } },
    untilMs: END_MS,
    promote,
    by: 'test',
  });
}

test('slices follow each other in time, each in its period, and hold every feature', () => {
  const { training, calibration, validation } = rows.slices;
  for (const [set, { fromMs, toMs }] of [
    [training, PERIODS.training],
    [calibration, PERIODS.calibration],
    [validation, PERIODS.validation],
  ] as const) {
    expect(set.classes.length).toBeGreaterThan(100);
    expect(set.eventTimesMs.every((ms) => ms >= fromMs && ms < toMs)).toBe(true);
    expect(set.eventTimesMs).toEqual(set.eventTimesMs.toSorted());
    expect(set.values.length).toBe(set.classes.length * set.featureNames.length);
  }
  expect(rows.features.map(({ name }) => name)).toEqual(training.featureNames);
  expect(new Set(columnOf(training, 'cnt_user_30d')).size, 'gold features say something').toBeGreaterThan(10);
});

test('a feature that a source does not have is missing in its rows, and has no hash in the card', () => {
  const { training } = rows.slices;
  const gaming = training.entities.map((entity) => entity.startsWith('gaming '));
  const values = columnOf(training, 'cross_border');
  expect(values.filter((value, row) => gaming[row] !== Number.isNaN(value))).toEqual([]);
  const inCard = first.card.features.find(({ name }) => name === 'cross_border');
  expect(Object.keys(inCard!.hashes)).toEqual(['fintech', 'ecommerce']);
});

test('the card names what it came from, and its sample rows are those of its files', async () => {
  const { card } = first;
  expect(card.data).toMatchObject({
    release: 2,
    until: new Date(END_MS).toISOString(),
    extractHash: rows.hash,
  });
  expect(card.version).toMatch(/^20260331T000000Z-[0-9a-f]{12}$/);
  expect(await openRegistry(lake).card(card.version)).toEqual(card);
  expect(card.bins.features.length).toBe(card.features.length);
  const trained = rows.slices.training.classes.length;
  for (const { missing, zero, counts, edges } of card.bins.features) {
    expect(counts.length).toBe(edges.length + 1);
    expect(missing + zero + counts.reduce((sum, count) => sum + count, 0)).toBe(trained);
  }
});

test('more rows than allowed: the oldest are left out', async () => {
  const { scoring } = paymentContent;
  const maxRows = 100;
  const content = { ...paymentContent, scoring: { ...scoring, training: { ...scoring.training, maxRows } } };
  const { slices, periods } = await extractAt(lake, END_MS, content);
  const { training } = slices;
  expect(training.classes.length).toBeLessThanOrEqual(maxRows);
  expect(training.classes.length).toBeGreaterThan(maxRows - 5);
  expect(training.eventTimesMs).toEqual(rows.slices.training.eventTimesMs.slice(-training.classes.length));
  expect(periods.training.fromMs).toBeGreaterThan(PERIODS.training.fromMs);
});

test('nothing was promoted when it was not wanted', async () => {
  expect(first).toMatchObject({ registered: 'registered', promoted: false, champion: undefined });
  expect(await openRegistry(lake).aliases()).toMatchObject({ champion: undefined });
});

test('the same release and T give the same bytes, and so the same version', async () => {
  const again = await train(lake);
  expect(again).toMatchObject({ registered: 'known', card: { version: first.card.version } });
});

test('another T gives other rows; a release that lacks them says so', async () => {
  expect((await extractAt(lake, END_MS - DAY_MS)).hash).not.toBe(rows.hash);
  await expect(extractAt(lake, END_MS + 100 * DAY_MS)).rejects.toMatchObject({ code: 'TRAINING_NOT_READY' });
  await expect(extractAt(lake, END_MS - 59 * DAY_MS)).rejects.toMatchObject({
    code: 'TRAINING_NOT_READY',
    message: expect.stringContaining('no labelled events for training'),
  });
});

test('a T after the release is refused: what is not reported yet would be learnt as regular', async () => {
  await expect(extractAt(lake, END_MS + DAY_MS)).rejects.toMatchObject({
    code: 'TRAINING_NOT_READY',
    message: expect.stringContaining('before that'),
  });
});

test('tiles of another definition of gold features are not trained on', async () => {
  const { features } = paymentContent;
  const sources = features.sources.map((source) => {
    const { amount_hundredths: other, ...inputs } = source.inputs;
    return { ...source, inputs: { ...inputs, amount_hundredths: other!, amount_base_minor: other! } };
  });
  const changed = { ...paymentContent, features: { ...features, sources } };
  await expect(extractAt(lake, END_MS, changed)).rejects.toMatchObject({
    code: 'TRAINING_NOT_READY',
    message: expect.stringContaining('another definition'),
  });
});

test('after the first model, a model of equal rank does not follow; a champion of other features stays', async () => {
  const registry = openRegistry(lake);
  const { version } = first.card;
  if (first.card.gates.every(({ passed }) => passed)) await promoteModel(registry, by(version));
  else await registry.point({ alias: 'champion', version, move: 'promote', by: 'test', reason: 'test' }, 0);
  expect(await train(lake, paymentContent, true)).toMatchObject({
    promoted: false,
    reason: 'it is the champion already',
  });
  const less = paymentContent.features.entries.filter(({ name }) => name !== 'near_threshold');
  const other = { ...paymentContent, features: { ...paymentContent.features, entries: less } };
  const report = await train(lake, other, true);
  expect(report).toMatchObject({ promoted: false, champion: version });
  expect(reasonsOf(report.comparison)).toContain('near_threshold has another definition now');
  const { seen } = await registry.aliases();
  const change = { alias: 'champion', move: 'promote', ...by(report.card.version) } as const;
  await registry.point(change, seen);
  await rollBackModel(registry, by(version));
  expect(await train(lake, other, true)).toMatchObject({
    promoted: false,
    champion: version,
    reason: expect.stringContaining('rolled back before'),
  });
});

test('a model on shuffled classes finds no more than chance', async () => {
  const { training, calibration, validation } = rows.slices;
  const { validation: report } = await trainCandidate(
    xgboost,
    {
      training: withShuffledClasses(training, 1),
      calibration: withShuffledClasses(calibration, 2),
      validation: withShuffledClasses(validation, 3),
    },
    {
      trees: DEFAULT_TREES,
      budgets: [{ name: 'alerts', alertsPerDay: 10 }],
      floors: { recallAt1PercentFpr: 0, perClass: {}, minSupport: 30 },
      cutoffMs: PERIODS.cutoffMs,
      lineage: {},
      resamples: 10,
    },
  );
  expect(report.model.averagePrecision).toBeLessThan(1.5 * report.prevalence);
  expect(first.card.validation.model.averagePrecision).toBeGreaterThan(3 * report.prevalence);
});

test('a feature that knows fraud when it happens lifts AP visibly, and G2 names it', async () => {
  const marked = `case when event_id in (select event_id from frauds)
    then json_merge_patch(value, '{"device_id":"leak","device_fingerprint":"leak"}') else value end`;
  const canary: FeatureEntry = {
    ...{ name: 'canary', number: 'T', kind: 'event', description: 'the label, without its delay' },
    expression: "device_id = 'leak'",
  };
  const { features } = paymentContent;
  const content = { ...paymentContent, features: { ...features, entries: [...features.entries, canary] } };
  await using leaking = await openHistoryLake({ ...WORLD, content, change: marked });
  const { card, promoted } = await train(leaking, content, true);
  const [before, after] = [first.card, card].map(({ validation }) => validation.model.averagePrecision);
  expect(after! - before!).toBeGreaterThan(0.1);
  expect(promoted).toBe(false);
  const gate = card.gates.find(({ name }) => name === 'G2 data');
  expect(gate?.passed).toBe(false);
  expect(reasonsOf(gate)).toContain('canary alone reaches AP');
}, 300_000);

// What follows adds labels to the lake.

test('labels that became known after T change no byte', async () => {
  const events = [...(await regularEvents('training')), ...(await regularEvents('validation'))];
  await reportFraud(events, END_MS + 1_000);
  expect((await extractAt(lake, END_MS)).hash).toBe(rows.hash);
});

test('between cutoff and T a label counts for validation, not for training', async () => {
  await reportFraud(await regularEvents('training'), PERIODS.cutoffMs + 1_000);
  expect((await extractAt(lake, END_MS)).hash).toBe(rows.hash);
  await reportFraud(await regularEvents('validation'), END_MS - 1_000);
  const after = await extractAt(lake, END_MS);
  expect(positives(after.slices.training)).toBe(positives(rows.slices.training));
  expect(positives(after.slices.validation)).toBe(positives(rows.slices.validation) + EVENTS);
});

const EVENTS = 5;
let nextLabel = 0;

async function reportFraud(events: readonly string[], knownMs: number): Promise<void> {
  const at = new Date(knownMs).toISOString();
  const given = events.map((id) => {
    nextLabel += 1;
    return { id, at, arrivedAt: at, value: { label_id: `X-${nextLabel}`, fraud_type: 'fraud_card_testing' } };
  });
  await landLabels(lake, ...given);
  await release(lake);
}

/** Ids of the first events of a slice that have no label of the history's own. */
async function regularEvents(slice: 'training' | 'validation'): Promise<string[]> {
  const { fromMs, toMs } = PERIODS[slice];
  await using session = await lake.duckdb.connect();
  const silver = (table: string) =>
    `read_parquet('${lake.rootDir}/lake/silver/${table}/**/*.parquet', hive_partitioning = false)`;
  const found = await session.rows(
    `select event_id from ${silver('transactions')}
     where epoch_ms(event_time) >= ${fromMs} and epoch_ms(event_time) < ${toMs}
       and event_id not in (select event_id from ${silver('labels')} where label_id not like 'X-%')
     order by event_time, event_id limit ${EVENTS}`,
  );
  return found.map(({ event_id }) => String(event_id));
}

function by(version: string) {
  return { version, by: 'test', reason: 'test' };
}

function columnOf(set: RowSet, name: string): number[] {
  const [at, width] = [set.featureNames.indexOf(name), set.featureNames.length];
  return [...set.classes].map((_, row) => set.values[row * width + at]!);
}

function positives({ classes }: RowSet): number {
  return classes.filter((index) => index !== 0).length;
}

function reasonsOf(gate: Gate | undefined): string {
  return (gate?.checks ?? []).map(({ reason }) => reason).join('\n');
}
