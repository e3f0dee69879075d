import { createHash } from 'node:crypto';
import { type SqlJson, type SqlSession, sqlName, sqlText } from '../../infra/core/duckdb.ts';
import { fault } from '../../infra/core/errorCatalog.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { pruneFiles } from '../../lakehouse/pruning.ts';
import type { Release } from '../../lakehouse/release.ts';
import { scan } from '../../lakehouse/scan.ts';
import type { Snapshot } from '../../lakehouse/snapshot.ts';
import { openTable } from '../../lakehouse/table.ts';
import { asOfMs } from '../../transforms/feature.ts';
import type { FeatureSet } from '../../transforms/featureSet.ts';
import { backfillSql, feedingSql } from '../../transforms/featureSql.ts';
import { isBuilt } from '../../transforms/progress.ts';
import { QUARANTINE } from '../../transforms/relations.ts';
import type { CardFeature } from '../modelCard.ts';
import type { TrainingSettings } from '../scoringContent.ts';
import { classedSql, labelsSql, ROW_ORDER, vectorsSql } from './extractSql.ts';
import { type Period, type Periods, periodsOf } from './periods.ts';
import { type RowSet, rowsHash, type Slices } from './rowSet.ts';

export interface ExtractRequest {
  readonly release: Release;
  /** T: nothing that became known after it is read; ms since 1970 UTC. */
  readonly untilMs: number;
  readonly sets: readonly FeatureSet[];
  /** Names of all features, in the order of the model's input. */
  readonly featureNames: readonly string[];
  readonly classNames: readonly string[];
  readonly settings: TrainingSettings;
}

export interface Extract {
  readonly slices: Slices;
  readonly periods: Periods;
  readonly features: readonly CardFeature[];
  /** SHA-256 over the rows of all slices. */
  readonly hash: string;
  /** Events whose label names no class: neither fraud of a known type nor legitimate. */
  readonly leftOut: number;
}

/**
 * Rows for a training out of one release: each event once, with the vector that it had when it came and
 * the class as it was known. Equal release, T and content: equal rows in equal order. In memory: about
 * (4 × features + 60) bytes a row.
 * @throws TRAINING_NOT_READY when the release is older than T, lacks a table, or a slice has no rows
 */
export async function extractRows(lake: Lake, request: ExtractRequest): Promise<Extract> {
  const { sets, featureNames, settings, untilMs, classNames } = request;
  // What a release does not know yet is not regular: until T + maturity frauds of its last days are reported.
  if (untilMs > request.release.createdMs) {
    throw notReady(
      request,
      `it was made at ${new Date(request.release.createdMs).toISOString()}, before that`,
    );
  }
  const wished = periodsOf(untilMs, settings);
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await lake.duckdb.connect());
  const opened = { lake, request, periods: wished, session, stack };
  const context: Context = { ...opened, tiles: await openTiles(opened) };
  const labelled = sets.filter(({ source }) => source.eventId !== undefined);
  const vectors: string[] = [];
  for (const set of labelled) vectors.push(await makeVectors(context, set));
  await makeClassed(context, vectors);
  const periods = { ...wished, training: await newestRows(context, settings.maxRows) };
  const known = classNames.map(sqlText).join(', ');
  const left = await session.rows(
    `select count(*) as n from classed where class is null or class not in (${known})`,
  );
  const slice = (name: keyof Slices) => readSlice(context, name, periods[name]);
  const slices = {
    training: await slice('training'),
    calibration: await slice('calibration'),
    validation: await slice('validation'),
  };
  return {
    slices,
    periods,
    features: featureNames.map((name) => cardFeature(labelled, name)),
    hash: hashOf(slices),
    leftOut: Number(left[0]?.['n']),
  };
}

// === Helpers ===

interface Context {
  readonly lake: Lake;
  readonly request: ExtractRequest;
  readonly periods: Periods;
  readonly session: SqlSession;
  readonly stack: AsyncDisposableStack;
  /** Relations of gold tiles by entity. */
  readonly tiles: Readonly<Record<string, string>>;
}

/** Back-fills one source into a temporary table of the session, and returns its name. */
async function makeVectors(context: Context, set: FeatureSet): Promise<string> {
  const { request, periods, session } = context;
  const { table, eventTime, eventId = '' } = set.source;
  const snapshot = await releasedTable(context, table);
  // Windows reach a day back; what is late within them came up to L later.
  const reachMs = 86_400_000 + 2 * set.settings.latenessMs;
  const [fromMs, toMs] = [periods.training.fromMs - reachMs, periods.validation.toMs + reachMs];
  const files = pruneFiles(snapshot, {
    [eventTime]: { min: new Date(fromMs).toISOString(), max: new Date(toMs).toISOString() },
  });
  const scanned = context.stack.use(await scan(context.lake, snapshot, { files }));
  const whole = context.stack.use(await scan(context.lake, snapshot));
  const time = `epoch_ms(${sqlName(eventTime)})`;
  // Which incarnations feed windows is a question to the whole table, not to the stretch that is read.
  const relation = `(
    select * from ${scanned.sql}
    where ${time} between ${fromMs} and ${toMs} and epoch_ms(_arrived_at) <= ${request.untilMs}
      and (_topic, _topic_id) in (select (_topic, _topic_id) from (${feedingSql(whole.sql)}))
  )`;
  const wanted = `time_ms >= ${periods.training.fromMs} and time_ms < ${periods.validation.toMs}`;
  const backfill = backfillSql(set, relation, set.features, { tiles: context.tiles, wanted });
  const rows = { set, eventId, relation, backfill };
  const name = sqlName(`vectors ${set.source.name}`);
  await session.run(`create temp table ${name} as ${vectorsSql(rows, request.featureNames)}`);
  return name;
}

/** The tiles of all entities, by entity. @throws TRAINING_NOT_READY unless of today's definition and closed up to the last event */
async function openTiles(context: Omit<Context, 'tiles'>): Promise<Record<string, string>> {
  const { request, periods, lake, stack } = context;
  const [set] = request.sets;
  const entities = set?.gold ?? [];
  if (set === undefined || entities.length === 0) return {};
  const { closedToMs = Number.NEGATIVE_INFINITY } = request.release.grid ?? {};
  const neededMs = asOfMs(set.settings, periods.validation.toMs);
  if (closedToMs < neededMs) {
    const until = Number.isFinite(closedToMs) ? new Date(closedToMs).toISOString() : 'never';
    throw notReady(request, `its gold features are closed up to: ${until}`);
  }
  const tiles: Record<string, string> = {};
  for (const { name, tilesTable, tilesHash } of entities) {
    const snapshot = await releasedTable(context, tilesTable);
    // Features carry the hash of today's definition: values of another one would be served otherwise.
    if (!isBuilt(snapshot, tilesHash)) {
      throw notReady(request, `its ${tilesTable} was made under another definition of gold features`);
    }
    tiles[name] = stack.use(await scan(lake, snapshot)).sql;
  }
  return tiles;
}

async function makeClassed(context: Context, vectors: readonly string[]): Promise<void> {
  const { request, periods, session } = context;
  const { settings, release, untilMs, classNames } = request;
  const { table, view: viewName } = settings.labels;
  const view = release.views[viewName];
  if (view === undefined) throw notReady(request, `it has no view ${viewName}`);
  const snapshot = await releasedTable(context, table);
  const scanned = context.stack.use(await scan(context.lake, snapshot));
  const rows = snapshot.schema.some(({ name }) => name === QUARANTINE)
    ? `(select * exclude (${QUARANTINE}) from ${scanned.sql} where ${QUARANTINE} is null)`
    : scanned.sql;
  const labelsBy = (knownByMs: number) => labelsSql(settings.labels, { rows, view, knownByMs });
  const relations = { vectors, atCutoff: labelsBy(periods.cutoffMs), atEnd: labelsBy(untilMs) };
  const classes = { regular: classNames[0] ?? '', maturityMs: settings.maturityMs };
  await session.run(`create temp table classed as ${classedSql(relations, periods, classes)}`);
}

/** The part of the training period that holds at most `maxRows` rows. */
async function newestRows({ session, periods }: Context, maxRows: number): Promise<Period> {
  const { fromMs, toMs } = periods.training;
  const [tooOld] = await session.rows(
    `select event_time_ms from classed where event_time_ms < ${toMs} order by event_time_ms desc limit 1 offset ${maxRows}`,
  );
  return tooOld === undefined ? { fromMs, toMs } : { fromMs: Number(tooOld['event_time_ms']) + 1, toMs };
}

async function releasedTable({ lake, request }: Omit<Context, 'tiles'>, name: string): Promise<Snapshot> {
  const version = request.release.tables[name];
  const table = version === undefined ? undefined : await openTable(lake, name);
  if (version === undefined || table === undefined) throw notReady(request, `it has no table ${name}`);
  return table.snapshot({ version });
}

async function readSlice(context: Context, name: keyof Slices, period: Period): Promise<RowSet> {
  const { session, request } = context;
  const { classNames, featureNames } = request;
  const index = classNames.map((text, at) => `when ${sqlText(text)} then ${at}`).join(' ');
  const where = `event_time_ms >= ${period.fromMs} and event_time_ms < ${period.toMs}`;
  const chosen = `(select *, case class ${index} end as class_index from classed where ${where})`;
  const columns = ['event_time_ms', 'known_ms', 'class_index', 'entity', ...featureNames.map(sqlName)];
  const counted = await session.rows(`select count(*) as n from ${chosen} where class_index is not null`);
  const rows = Number(counted[0]?.['n']);
  if (rows === 0) throw notReady(request, `it has no labelled events for ${name} (${textOf(period)})`);
  const set = emptySet(name, rows, request);
  const { chunks } = await session.stream(
    `select ${columns.join(', ')} from ${chosen} where class_index is not null order by ${ROW_ORDER}`,
  );
  let row = 0;
  for await (const chunk of chunks) {
    for (const cells of chunk) {
      fillRow(set, row, cells);
      row += 1;
    }
  }
  return set;
}

type MutableRowSet = RowSet & { readonly entities: string[] };

function emptySet(name: string, rows: number, { featureNames, classNames }: ExtractRequest): MutableRowSet {
  return {
    name,
    featureNames,
    classNames,
    values: new Float32Array(rows * featureNames.length),
    classes: new Uint8Array(rows),
    eventTimesMs: new Float64Array(rows),
    knownAtMs: new Float64Array(rows),
    entities: [],
  };
}

/** Cells in the order of the query: times, class, entity, features. NaN comes as text. */
function fillRow(set: MutableRowSet, row: number, cells: readonly SqlJson[]): void {
  const [eventTime, knownAt, classIndex, entity, ...features] = cells;
  set.eventTimesMs[row] = Number(eventTime);
  set.knownAtMs[row] = Number(knownAt);
  set.classes[row] = Number(classIndex);
  set.entities.push(String(entity));
  const values = features.map((value) => (value === null ? Number.NaN : Number(value)));
  set.values.set(values, row * values.length);
}

function cardFeature(sets: readonly FeatureSet[], name: string): CardFeature {
  const hashes = sets.flatMap(({ source, features }) =>
    features.filter(({ entry }) => entry.name === name).map(({ hash }) => [source.name, hash] as const),
  );
  return { name, hashes: Object.fromEntries(hashes) };
}

function hashOf({ training, calibration, validation }: Slices): string {
  const hash = createHash('sha256');
  for (const set of [training, calibration, validation]) hash.update(rowsHash(set));
  return hash.digest('hex');
}

function textOf({ fromMs, toMs }: Period): string {
  return `${new Date(fromMs).toISOString()} to ${new Date(toMs).toISOString()}`;
}

function notReady({ release, untilMs }: ExtractRequest, detail: string) {
  const until = new Date(untilMs).toISOString();
  return fault('TRAINING_NOT_READY', { release: release.number, until, detail });
}
