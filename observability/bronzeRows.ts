import { type SqlJson, type SqlSession, sqlText } from '../infra/core/duckdb.ts';
import { isFault } from '../infra/core/errorCatalog.ts';
import type { AddFile } from '../lakehouse/actions.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { type Scan, scan } from '../lakehouse/scan.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { type ChainState, EMPTY_CHAIN, type LandedPartition, partitionKey } from './landingChain.ts';
import type { ViolationSink } from './violations.ts';

/**
 * The rows of a bronze table against its chain. Rows that were checked before need no second look as
 * long as their files live; so only files that are new since then are read, and, where old files were
 * re-arranged into new ones, those old files once more:
 *
 *   new rows (at or above the offset that was next)  unique, inside of the landed ranges, counts as landed
 *   old rows (below it)                              exactly the rows of the files that went
 */
export interface RowsCheck {
  readonly snapshot: Snapshot;
  /** What was verified before, and what the chain says now. */
  readonly before: ChainState;
  readonly after: ChainState;
  /** Live files that were not live when the rows were last checked. */
  readonly newFiles: readonly AddFile[];
  /** Files that were live then and are not any more. */
  readonly goneFiles: readonly AddFile[];
  /** The snapshot that has the gone files. */
  readonly goneFrom: Snapshot | undefined;
}

const COLUMNS = ['_topic', '_topic_id', '_partition', '_offset', '_error'];

/** Findings of one kind that are spelled out. */
const SHOWN = 10;

/** False when a data file is not there: then nothing can be said about the rows. */
export async function checkRows(lake: Lake, check: RowsCheck, violations: ViolationSink): Promise<boolean> {
  await using session = await lake.duckdb.connect();
  await using added = await openFiles(lake, check.snapshot, check.newFiles);
  if (added === undefined) {
    violations.add('FILES_MISSING', check.snapshot.table, 'the store has lost a live data file');
    return false;
  }
  await using gone = await openFiles(lake, check.goneFrom ?? check.snapshot, check.goneFiles);
  if (gone === undefined) {
    // Vacuum took what was re-arranged: all rows are new again.
    const newFiles = [...check.snapshot.files.values()];
    return await checkRows(lake, { ...check, before: EMPTY_CHAIN, newFiles, goneFiles: [] }, violations);
  }
  const rows = `(select r.*, coalesce(r._offset < f.next, false) as is_old
    from (select *, _error is not null as is_bad from ${added.sql}) r left join ${floorsSql(check.before)} f
    on (r._topic, r._topic_id, r._partition) = (f.topic, f.topic_id, f.part))`;
  const { table } = check.snapshot;
  await checkCounts(session, { ...check, rows }, violations);
  await checkUnique(session, { table, rows }, violations);
  await checkRearranged(session, { table, rows, gone: gone.sql }, violations);
  return true;
}

/**
 * The offsets of one topic incarnation as words of 32: `(partition, offset // 32, bits)`. Only those
 * inside of `ranges`, from the given files.
 */
export async function* offsetWords(
  lake: Lake,
  source: { snapshot: Snapshot; files: readonly AddFile[]; topic: string; topicId: string },
  ranges: readonly { readonly partition: number; readonly from: number; readonly to: number }[],
): AsyncGenerator<{ partition: number; word: number; bits: number }> {
  if (ranges.length === 0) return;
  await using session = await lake.duckdb.connect();
  await using rows = await scan(lake, source.snapshot, { files: source.files, columns: COLUMNS });
  const wanted = ranges.map((r) => `(${r.partition}, ${r.from}, ${r.to})`).join(', ');
  const { chunks } = await session.stream(`
    select _partition, (_offset // 32)::double as word, bit_or(${BIT})::double as bits
    from ${rows.sql} r join (values ${wanted}) w(part, low, high)
      on r._partition = w.part and r._offset >= w.low and r._offset < w.high
    where _topic = ${sqlText(source.topic)} and _topic_id = ${sqlText(source.topicId)}
    group by all`);
  for await (const chunk of chunks) {
    for (const row of chunk) {
      const [partition, word, bits] = row.map(Number) as [number, number, number];
      yield { partition, word, bits };
    }
  }
}

// === Helpers ===

/** Undefined when one of the files is not there. */
async function openFiles(
  lake: Lake,
  snapshot: Snapshot,
  files: readonly AddFile[],
): Promise<Scan | undefined> {
  try {
    return await scan(lake, snapshot, { files, columns: COLUMNS });
  } catch (error) {
    if (isFault(error, 'LAKE_OBJECT_MISSING')) return undefined;
    throw error;
  }
}

/** Bit of an offset in its word; bigint, since the 32nd would be the sign of an integer. */
const BIT = '1::bigint << (_offset % 32)::integer';

/** Where the rows of each partition end that were checked before, as a relation. */
function floorsSql(before: ChainState): string {
  const rows = [...before.partitions.values()].map(
    ({ topic, topicId, partition, next }) =>
      `(${sqlText(topic)}, ${sqlText(topicId)}, ${partition}, ${next}::bigint)`,
  );
  const values = rows.length > 0 ? rows.join(', ') : '(null, null, null, null)';
  return `(select * from (values ${values}) t(topic, topic_id, part, next))`;
}

async function checkCounts(
  session: SqlSession,
  check: RowsCheck & { readonly rows: string },
  violations: ViolationSink,
): Promise<void> {
  const { chunks } = await session.stream(`
    select _topic, _topic_id, _partition, count(*)::double, (count(*) filter (where is_bad))::double,
      min(_offset)::double, max(_offset)::double
    from ${check.rows} where not is_old group by all order by all`);
  const counted = new Set<string>();
  for await (const chunk of chunks) {
    for (const row of chunk) {
      const found = rowCounts(row);
      counted.add(partitionKey(found));
      compareCounts(check, found, violations);
    }
  }
  for (const [key, landed] of check.after.partitions) {
    const missing = landed.fetched - (check.before.partitions.get(key)?.fetched ?? 0);
    if (counted.has(key) || missing === 0) continue;
    violations.add('ROWS_COUNT', `${check.snapshot.table} ${key}`, `${missing} records landed, no rows`);
  }
}

interface RowCounts {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly rows: number;
  readonly bad: number;
  readonly min: number;
  readonly max: number;
}

function rowCounts(row: readonly SqlJson[]): RowCounts {
  const [topic, topicId, partition, rows, bad, min, max] = row;
  return {
    topic: String(topic),
    topicId: String(topicId),
    partition: Number(partition),
    rows: Number(rows),
    bad: Number(bad),
    min: Number(min),
    max: Number(max),
  };
}

function compareCounts(check: RowsCheck, found: RowCounts, violations: ViolationSink): void {
  const key = partitionKey(found);
  const where = `${check.snapshot.table} ${key}`;
  const landed: LandedPartition | undefined = check.after.partitions.get(key);
  if (landed === undefined) {
    violations.add('ROWS_OUTSIDE', where, `${found.rows} rows of a partition that never landed`);
    return;
  }
  const before = check.before.partitions.get(key);
  const fetched = landed.fetched - (before?.fetched ?? 0);
  const bad = landed.bad - (before?.bad ?? 0);
  if (found.rows !== fetched)
    violations.add('ROWS_COUNT', where, `${fetched} records landed, ${found.rows} rows`);
  if (found.bad !== bad)
    violations.add('ROWS_BAD_COUNT', where, `${bad} bad records landed, ${found.bad} bad rows`);
  const first = before?.next ?? landed.first;
  if (found.min >= first && found.max < landed.next) return;
  violations.add(
    'ROWS_OUTSIDE',
    where,
    `offsets ${found.min} to ${found.max}, landed [${first}, ${landed.next})`,
  );
}

/** Words first: 32 offsets a group, so that the aggregate stays small; then the offsets of bad words. */
async function checkUnique(
  session: SqlSession,
  { table, rows }: { table: string; rows: string },
  violations: ViolationSink,
): Promise<void> {
  const place = '_topic, _topic_id, _partition';
  const duplicates = await session.rows(`
    with crowded as (
      select ${place}, _offset // 32 as word from ${rows} group by all
      having count(*) <> bit_count(bit_or(${BIT})) limit ${SHOWN}
    )
    select ${place}, _offset, count(*) as n
    from ${rows} join crowded using (${place})
    where _offset // 32 = word group by ${place}, _offset having count(*) > 1 order by all limit ${SHOWN}`);
  for (const row of duplicates) {
    const where = `${table} ${row['_topic']}@${row['_topic_id']}:${row['_partition']}`;
    violations.add('ROWS_DUPLICATED', where, `offset ${row['_offset']} is there ${row['n']} times`);
  }
}

async function checkRearranged(
  session: SqlSession,
  { table, rows, gone }: { table: string; rows: string; gone: string },
  violations: ViolationSink,
): Promise<void> {
  const place = '_topic, _topic_id, _partition, _offset';
  const differences = await session.rows(`
    select ${place}, sum(n) as n from (
      select ${place}, is_bad, 1 as n from ${rows} where is_old
      union all
      select ${place}, _error is not null, -1 from ${gone}
    ) group by ${place}, is_bad having sum(n) <> 0 order by all limit ${SHOWN}`);
  for (const row of differences) {
    const where = `${table} ${row['_topic']}@${row['_topic_id']}:${row['_partition']}`;
    const what = Number(row['n']) > 0 ? 'came without having been there' : 'is gone';
    violations.add('ROWS_REARRANGED', where, `offset ${row['_offset']} ${what}`);
  }
}
