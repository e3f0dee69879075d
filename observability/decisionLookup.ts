import { type SqlRow, sqlName, sqlText } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import { answeredAppId } from '../ingestion/answered.ts';
import { partitionName } from '../ingestion/partitionIdentity.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { type ColumnRange, pruneFiles } from '../lakehouse/pruning.ts';
import { scan } from '../lakehouse/scan.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { openTable } from '../lakehouse/table.ts';
import { placeOf, type SourcePlace } from '../scoring/decision.ts';
import { readStarts } from '../scoring/starts.ts';

/** A decision as its bronze row has it, times as ISO-8601. */
export interface FoundDecision {
  readonly id: string;
  readonly place: SourcePlace;
  readonly row: SqlRow;
  /** Rows about this record; the first one is the decision, the others were repeated. */
  readonly times: number;
}

export interface LookupTables {
  /** The bronze table of decisions. */
  readonly decisions: string;
  /** Bronze tables by topic. */
  readonly sources: ReadonlyMap<string, string>;
}

/**
 * The decision with this id, from the lake.
 * @throws DECISION_ID_INVALID, DECISION_NOT_FOUND with the reason as far as the lake knows it
 */
export async function findDecision(lake: Lake, tables: LookupTables, id: string): Promise<FoundDecision> {
  const place = placeOf(id);
  if (place === undefined) throw fault('DECISION_ID_INVALID', { id });
  const snapshot = await newestSnapshot(lake, tables.decisions);
  // A decision is in the partition of its record.
  const ranges = { _partition: only(place.partition) };
  const condition = `_partition = ${place.partition} and decision_id = ${sqlText(id)} and _error is null`;
  const [row, ...repeated] = snapshot ? await rowsWhere(lake, snapshot, { ranges, condition }) : [];
  if (row !== undefined) return { id, place, row, times: 1 + repeated.length };
  const detail = await whyNot(lake, { snapshot, place, isKnown: tables.sources.has(place.topic) });
  throw fault('DECISION_NOT_FOUND', { id, detail });
}

/** Ids of the decisions about records with this event id, oldest first. @throws DECISION_EVENT_UNKNOWN */
export async function findByEvent(
  lake: Lake,
  { decisions }: LookupTables,
  eventId: string,
): Promise<readonly [string, ...string[]]> {
  const snapshot = await newestSnapshot(lake, decisions);
  const condition = `event_id = ${sqlText(eventId)} and _error is null`;
  const rows = snapshot ? await rowsWhere(lake, snapshot, { ranges: {}, condition }) : [];
  const [first, ...others] = new Set(rows.map((row) => String(row['decision_id'])));
  if (first === undefined) throw fault('DECISION_EVENT_UNKNOWN', { event: eventId });
  return [first, ...others];
}

/** The bronze row of the record that was decided; undefined when it has not landed. */
export async function findRecord(
  lake: Lake,
  { sources }: LookupTables,
  { topic, topicId, partition, offset }: SourcePlace,
): Promise<SqlRow | undefined> {
  const table = sources.get(topic);
  const snapshot = table === undefined ? undefined : await newestSnapshot(lake, table);
  if (snapshot === undefined) return undefined;
  const [row] = await rowsWhere(lake, snapshot, {
    ranges: { _partition: only(partition), _offset: only(offset) },
    condition: `_topic = ${sqlText(topic)} and _topic_id = ${sqlText(topicId)}
      and _partition = ${partition} and _offset = ${offset}`,
  });
  return row;
}

// === Helpers ===

async function newestSnapshot(lake: Lake, table: string): Promise<Snapshot | undefined> {
  return await (await openTable(lake, table))?.snapshot();
}

function only(value: number): ColumnRange {
  return { min: String(value), max: String(value) };
}

/** Rows in the order in which they were published. */
async function rowsWhere(
  lake: Lake,
  snapshot: Snapshot,
  wanted: { readonly ranges: Readonly<Record<string, ColumnRange>>; readonly condition: string },
): Promise<SqlRow[]> {
  await using rows = await scan(lake, snapshot, { files: pruneFiles(snapshot, wanted.ranges) });
  await using session = await lake.duckdb.connect();
  const times = snapshot.schema
    .filter(({ type }) => type === 'timestamp')
    .map(({ name }) => `strftime(${sqlName(name)}, '%Y-%m-%dT%H:%M:%S.%gZ') as ${sqlName(name)}`);
  return await session.rows(`
    select * replace (${times.join(', ')}) from (
      select * from ${rows.sql} where ${wanted.condition} order by _arrived_at, _topic_id, _partition, _offset)`);
}

async function whyNot(
  lake: Lake,
  at: { readonly snapshot: Snapshot | undefined; readonly place: SourcePlace; readonly isKnown: boolean },
): Promise<string> {
  const { snapshot, place, isKnown } = at;
  if (!isKnown) return `no topic is called ${place.topic}`;
  const start = (await readStarts(lake.store)).get(partitionName(place));
  if (start === undefined) return 'its partition is not scored';
  if (place.offset < start) return `records before offset ${start} of its partition were not to be decided`;
  const position = snapshot?.txns.get(answeredAppId(place)) ?? start;
  if (place.offset >= position)
    return `decisions have landed up to offset ${position} of its partition: it is not decided yet, or the decision is still in Kafka only`;
  return 'decisions of its partition have landed beyond it; its offset may hold no record';
}
