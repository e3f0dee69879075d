import { type SqlSession, sqlText } from '../infra/core/duckdb.ts';
import { FILE_ID_PREFIX } from '../ingestion/progress.ts';
import { type AddFile, rowsOf } from '../lakehouse/actions.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { pruneFiles } from '../lakehouse/pruning.ts';
import { scan } from '../lakehouse/scan.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { type FeatureSettings, MAX_WINDOW_MS } from '../transforms/feature.ts';

/** Which decisions are looked at. */
export interface SampleRequest {
  /** So many of the newest ones… */
  readonly last: number;
  /** …and of those one key in so many, with all its decisions. */
  readonly oneKeyIn: number;
}

/**
 * Leaves in the temporary table `sampled` the vectors of the newest decisions: decision_id, topic,
 * topic_id, part, o (the place of the record), key, feature_list, vector, statuses. Of decisions about one
 * record the first one counts. Gives how many decisions were looked at, without a vector and all.
 */
export async function sampleDecisions(
  lake: Lake,
  session: SqlSession,
  snapshot: Snapshot,
  { last, oneKeyIn }: SampleRequest,
): Promise<{ readonly decisions: number; readonly withoutVector: number; readonly sampled: number }> {
  const columns = [
    ...['_arrived_at', '_topic_id', '_partition', '_offset', '_error'],
    ...['decision_id', 'key', 'feature_list', 'vector', 'statuses'],
  ];
  await using rows = await scan(lake, snapshot, { files: newestFiles(snapshot, last), columns });
  await session.run(`create or replace temp table recent as
    select * from ${rows.sql} where _error is null
    order by _arrived_at desc, _topic_id, _partition, _offset desc limit ${last}`);
  await session.run(`create or replace temp table sampled as
    select decision_id, split_part(decision_id, ':', 1) as topic, split_part(decision_id, ':', 2) as topic_id,
      try_cast(split_part(decision_id, ':', 3) as integer) as part,
      try_cast(split_part(decision_id, ':', 4) as bigint) as o, key, feature_list, vector, statuses
    from recent where vector is not null and hash(key) % ${oneKeyIn} = 0
    qualify row_number() over (partition by decision_id order by _arrived_at, _topic_id, _partition, _offset) = 1`);
  const [counts] = await session.rows(`select count(*)::double as decisions,
    (count(*) filter (where vector is null))::double as bare,
    (select count(*)::double from sampled) as sampled from recent`);
  await session.run('drop table recent');
  return {
    decisions: Number(counts?.['decisions']),
    withoutVector: Number(counts?.['bare']),
    sampled: Number(counts?.['sampled']),
  };
}

/** How many vectors were sampled by topic and feature list. */
export async function sampledLists(
  session: SqlSession,
): Promise<readonly { readonly topic: string; readonly list: string; readonly vectors: number }[]> {
  const rows = await session.rows(
    'select topic, feature_list, count(*)::double as n from sampled group by all order by all',
  );
  return rows.map((row) => ({
    topic: String(row['topic']),
    list: String(row['feature_list']),
    vectors: Number(row['n']),
  }));
}

/** The bronze rows that windows of the sampled vectors of one list stand on, as a relation. */
export interface SampledHistory extends AsyncDisposable {
  readonly relation: string;
  /** Sampled records that have not landed yet: nothing can be said about them. */
  readonly waiting: number;
}

/**
 * Leaves in `wanted` those of `sampled` that are of the list and landed, and opens their keys' rows from as
 * far back as windows reach. In bronze the order of a partition is that of its log, and a record's windows
 * hold what comes before it there: whatever landed later changes nothing.
 */
export async function openHistory(
  lake: Lake,
  session: SqlSession,
  source: {
    readonly snapshot: Snapshot;
    readonly topic: string;
    readonly list: string;
    readonly settings: FeatureSettings;
  },
): Promise<SampledHistory> {
  const { snapshot, topic, list, settings } = source;
  await using places = await scan(lake, snapshot, {
    columns: ['_topic', '_topic_id', '_partition', '_offset', '_arrived_at', '_ingested_at'],
  });
  await session.run(`create or replace temp table chosen_places as
    select s.*, epoch_ms(b._arrived_at) as arrived_at_ms
    from (select * from sampled where topic = ${sqlText(topic)} and feature_list = ${sqlText(list)}) s
    left join ${places.sql} b
      on b._topic = s.topic and b._topic_id = s.topic_id and b._partition = s.part and b._offset = s.o`);
  const landed = await landedOffsets(session, places.sql);
  const isLanded = landed.map(
    ({ topicId, partition, next }) =>
      `(topic_id = ${sqlText(topicId)} and part = ${partition} and o < ${next})`,
  );
  await session.run(`create or replace temp table wanted as
    select * from chosen_places where ${isLanded.join(' or ') || 'false'}`);
  const [facts] = await session.rows(`select min(arrived_at_ms)::double as first_ms,
    ((select count(*) from chosen_places) - count(*))::double as waiting from wanted`);
  const firstMs = Number(facts?.['first_ms'] ?? 0);
  const cutMs = Math.max(0, firstMs - reachMs(settings));
  const files = pruneFiles(snapshot, { arrival_date: { min: new Date(cutMs).toISOString().slice(0, 10) } });
  const rows = await scan(lake, snapshot, { files });
  const feeding = await feedingIds(session, places.sql, topic);
  return {
    waiting: Number(facts?.['waiting']),
    relation: `(select * from ${rows.sql} where (_partition, _key) in (select part, key from wanted)
      and _arrived_at >= make_timestamptz(${cutMs} * 1000)
      and _topic_id in (${feeding.map(sqlText).join(', ') || "''"}))`,
    [Symbol.asyncDispose]: () => rows[Symbol.asyncDispose](),
  };
}

// === Helpers ===

/**
 * Further back than a window, an arrival that steps back, and a record that is ahead of its arrival reach
 * together: a row that is left out makes room in its key's ring, which nothing that counts may fill.
 */
function reachMs({ latenessMs }: FeatureSettings): number {
  return MAX_WINDOW_MS + 3 * latenessMs + 60 * 60_000;
}

/** Files of the newest days that hold so many rows; files of one day are not told apart. */
function newestFiles(snapshot: Snapshot, rows: number): AddFile[] {
  const dateOf = (add: AddFile) => add.partitionValues['arrival_date'] ?? '';
  const files = [...snapshot.files.values()].toSorted((a, b) => dateOf(b).localeCompare(dateOf(a)));
  let found = 0;
  let day = '';
  return files.filter((add) => {
    if (found >= rows && dateOf(add) !== day) return false;
    day = dateOf(add);
    found += rowsOf(add) ?? 0;
    return true;
  });
}

async function landedOffsets(session: SqlSession, places: string) {
  const rows = await session.rows(`select _topic_id, _partition, (max(_offset) + 1)::double as next
    from ${places} where (_topic_id, _partition) in (select topic_id, part from chosen_places) group by all`);
  return rows.map((row) => ({
    topicId: String(row['_topic_id']),
    partition: Number(row['_partition']),
    next: Number(row['next']),
  }));
}

/** Incarnations whose rows are in windows, told by all rows: those of some keys may know of no live record. */
async function feedingIds(session: SqlSession, places: string, topic: string): Promise<string[]> {
  const rows = await session.rows(`
    select _topic_id from (
      select _topic_id, not starts_with(_topic_id, '${FILE_ID_PREFIX}') as is_live,
        min(_arrived_at) as first_arrived_at, max(_ingested_at) as landed_at
      from ${places} where _topic = ${sqlText(topic)} group by all)
    qualify is_live or landed_at < coalesce(min(first_arrived_at) filter (where is_live) over (), 'infinity')`);
  return rows.map((row) => String(row['_topic_id']));
}
