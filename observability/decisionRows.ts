import { type SqlSession, sqlText } from '../infra/core/duckdb.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { pruneFiles } from '../lakehouse/pruning.ts';
import { type Scan, scan } from '../lakehouse/scan.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { offsetsOfWord } from './offsetSet.ts';
import type { ViolationCode, ViolationSink } from './violations.ts';

/** Offsets [from, to) of a partition of one incarnation of a topic. */
export interface PlacedRange {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Leaves in the temporary table `kept` the decisions that count by the high-water rule: of the rows of
 * `ranges` (of the table of decisions) those above all that came before about their source partition,
 * less those below `compared`. Reports rows that stand in another partition than their record.
 */
export async function keepCounting(
  lake: Lake,
  session: SqlSession,
  rows: {
    readonly snapshot: Snapshot;
    readonly ranges: readonly PlacedRange[];
    readonly compared: readonly PlacedRange[];
  },
  violations: ViolationSink,
): Promise<void> {
  const { snapshot, ranges, compared } = rows;
  const columns = [...PLACE, '_arrived_at', '_error', 'decision_id'];
  await using found = await scanRanges(lake, snapshot, ranges, columns);
  await session.run(`create or replace temp table said as
    select at_topic_id, at_part, at_offset, at_us, ${ID_PARTS}
    from (select _topic_id as at_topic_id, _partition as at_part, _offset as at_offset,
        epoch_us(_arrived_at) as at_us, decision_id
      from ${found.sql} join ${rangesSql(ranges)} r on _topic_id = r.topic_id and _partition = r.part
      where _error is null and _offset >= r.low and _offset < r.high)`);
  await reportMisplaced(session, snapshot.table, violations);
  // Incarnations of the topic of decisions follow each other by their first arrival.
  await session.run(`create or replace temp table kept as
    select topic, topic_id, part, o, at_topic_id, at_part, at_offset from (
      select *, max(o) over (partition by topic, topic_id, part order by first_us, at_topic_id, at_offset
        rows between unbounded preceding and 1 preceding) as highest
      from said join (select at_topic_id, min(at_us) as first_us from said group by all) using (at_topic_id)
      where ${IS_PLACED})
    left join ${rangesSql(compared)} c using (topic, topic_id, part)
    where o > coalesce(highest, -1) and o >= coalesce(c.high, 0)`);
  await session.run('drop table said');
}

/** By source partition the lowest offset in `kept`, and 1 + the highest. */
export function keptRanges(session: SqlSession): Promise<PlacedRange[]> {
  return rangesOf(
    session,
    'select topic, topic_id, part, min(o) as low, max(o) + 1 as high from kept group by all',
  );
}

/** Those of `kept` that are about no offset at or above the ranges' lower ends, as ranges. */
export function keptOutside(session: SqlSession, ranges: readonly PlacedRange[]): Promise<PlacedRange[]> {
  return rangesOf(
    session,
    `select topic, topic_id, part, min(o) as low, max(o) + 1 as high
     from kept left join ${rangesSql(ranges)} r using (topic, topic_id, part)
     where r.low is null or o < r.low group by all`,
  );
}

/** By partition of decisions the first row in `kept` that is about an offset beyond the ranges. */
export function firstBeyond(
  session: SqlSession,
  topic: string,
  ranges: readonly PlacedRange[],
): Promise<PlacedRange[]> {
  return rangesOf(
    session,
    `select ${sqlText(topic)} as topic, at_topic_id as topic_id, at_part as part, min(at_offset) as low,
       max(at_offset) + 1 as high
     from kept left join ${rangesSql(ranges)} r using (topic, topic_id, part)
     where r.high is null or o >= r.high group by all`,
  );
}

/** Compares `kept` with the rows of a source inside of the ranges, and reports what differs. */
export async function compareRows(
  lake: Lake,
  session: SqlSession,
  source: { readonly snapshot: Snapshot; readonly ranges: readonly PlacedRange[] },
  violations: ViolationSink,
): Promise<void> {
  const { snapshot, ranges } = source;
  await using rows = await scanRanges(lake, snapshot, ranges, PLACE);
  const words = (relation: string) => `select topic, topic_id, part, o // 32 as word,
      bit_or(1::bigint << (o % 32)::integer) as bits
    from ${relation} join ${rangesSql(ranges)} r using (topic, topic_id, part)
    where o >= r.low and o < r.high group by all`;
  const landed = `(select _topic as topic, _topic_id as topic_id, _partition as part, _offset as o from ${rows.sql})`;
  const { chunks } = await session.stream(`
    with decided as (${words('kept')}), landed as (${words(landed)})
    select topic, topic_id, part, word::double, coalesce(decided.bits, 0)::double, coalesce(landed.bits, 0)::double
    from decided full join landed using (topic, topic_id, part, word)
    where decided.bits is distinct from landed.bits order by all`);
  const found = new Map<string, Finding>();
  for await (const chunk of chunks) {
    for (const [topic, topicId, partition, ...numbers] of chunk) {
      const [word = 0, decided = 0, there = 0] = numbers.map(Number);
      const where = `${topic}@${topicId}:${partition}`;
      note(found, { code: 'DECISIONS_MISSING', where, offsets: offsetsOfWord(word, there & ~decided) });
      note(found, { code: 'DECISIONS_UNKNOWN', where, offsets: offsetsOfWord(word, decided & ~there) });
    }
  }
  for (const { code, where, count, offsets } of found.values()) {
    violations.add(
      code,
      where,
      `${count} offsets: ${offsets.join(', ')}${count > offsets.length ? ', …' : ''}`,
    );
  }
}

// === Helpers ===

/** Findings of one kind that are spelled out. */
const SHOWN = 10;

const PLACE = ['_topic', '_topic_id', '_partition', '_offset'];

const ID_PARTS = `split_part(decision_id, ':', 1) as topic, split_part(decision_id, ':', 2) as topic_id,
    try_cast(split_part(decision_id, ':', 3) as integer) as part, try_cast(split_part(decision_id, ':', 4) as bigint) as o`;

const IS_PLACED = '(part = at_part and o is not null) is true';

interface Finding {
  readonly code: ViolationCode;
  readonly where: string;
  count: number;
  readonly offsets: number[];
}

function note(
  found: Map<string, Finding>,
  { code, where, offsets }: { code: ViolationCode; where: string; offsets: readonly number[] },
): void {
  if (offsets.length === 0) return;
  const key = `${code} ${where}`;
  const finding = found.get(key) ?? { code, where, count: 0, offsets: [] };
  found.set(key, finding);
  finding.count += offsets.length;
  finding.offsets.push(...offsets.slice(0, SHOWN - finding.offsets.length));
}

async function reportMisplaced(session: SqlSession, table: string, violations: ViolationSink): Promise<void> {
  const rows = await session.rows(
    `select at_part, at_offset, topic, topic_id, part, o from said where not ${IS_PLACED} order by all limit ${SHOWN}`,
  );
  for (const { at_part, at_offset, topic, topic_id, part, o } of rows) {
    const about = `${topic}:${topic_id}:${part ?? '?'}:${o ?? '?'}`;
    violations.add(
      'DECISIONS_MISPLACED',
      `${table} partition ${at_part}`,
      `offset ${at_offset} is about ${about}`,
    );
  }
}

/** The rows of files that may hold offsets of the ranges: more rows than those. */
function scanRanges(
  lake: Lake,
  snapshot: Snapshot,
  ranges: readonly PlacedRange[],
  columns: readonly string[],
): Promise<Scan> {
  const files = new Set(
    ranges
      .filter(({ from, to }) => from < to)
      .flatMap(({ partition, from, to }) =>
        pruneFiles(snapshot, {
          _partition: { min: String(partition), max: String(partition) },
          _offset: { min: String(from), max: String(to - 1) },
        }),
      ),
  );
  return scan(lake, snapshot, { files: [...files], columns });
}

/** Ranges as a relation (topic, topic_id, part, low, high). */
function rangesSql(ranges: readonly PlacedRange[]): string {
  const rows = ranges.map(
    ({ topic, topicId, partition, from, to }) =>
      `(${sqlText(topic)}, ${sqlText(topicId)}, ${partition}, ${from}::bigint, ${to}::bigint)`,
  );
  const values = rows.length > 0 ? rows.join(', ') : `('', '', -1, 0::bigint, 0::bigint)`;
  return `(select * from (values ${values}) t(topic, topic_id, part, low, high))`;
}

async function rangesOf(session: SqlSession, select: string): Promise<PlacedRange[]> {
  const rows = await session.rows(`select * from (${select}) order by all`);
  return rows.map(({ topic, topic_id, part, low, high }) => ({
    topic: String(topic),
    topicId: String(topic_id),
    partition: Number(part),
    from: Number(low),
    to: Number(high),
  }));
}
