import { sqlText } from '../../infra/core/duckdb.ts';
import type { AddFile } from '../../lakehouse/actions.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { pruneFiles } from '../../lakehouse/pruning.ts';
import { type Scan, scan } from '../../lakehouse/scan.ts';
import type { Snapshot } from '../../lakehouse/snapshot.ts';
import type { Closing } from './closings.ts';

/** Offsets [from, to) of a partition, and the grid point from which on they are visible. */
export interface VisibleRange {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  /** Undefined: rows of a file that landed before the first closing follow their own arrival. */
  readonly visibleFromMs: number | undefined;
}

/**
 * What of a table became visible after `afterMs` (undefined: from the beginning), by closings that reach
 * back to the first one: a row is visible from the first grid point on that shows its offset. Pure.
 */
export function visibleRanges(
  closings: readonly Closing[],
  table: string,
  {
    afterMs = Number.NEGATIVE_INFINITY,
    isFile,
  }: { afterMs?: number | undefined; isFile: (partition: string) => boolean },
): VisibleRange[] {
  const ranges: VisibleRange[] = [];
  const shown = new Map<string, number>();
  const first = firstClosing(closings);
  for (const closing of closings) {
    const { atMs, offsets } = closing;
    for (const [name, to] of Object.entries(offsets[table] ?? {})) {
      const from = shown.get(name) ?? 0;
      if (to <= from) continue;
      shown.set(name, to);
      const visibleFromMs = closing === first && isFile(name) ? undefined : atMs;
      if (atMs > afterMs) ranges.push({ ...parsePartition(name), from, to, visibleFromMs });
    }
  }
  return ranges;
}

/** The first grid point that shows anything: files that had landed by then follow their own arrival. Pure. */
export function firstClosing(closings: readonly Closing[]): Closing | undefined {
  return closings.find(({ isSkipped }) => !isSkipped);
}

/**
 * The rows of a bronze table in these ranges with `visible_from_ms BIGINT`, good and bad, as SQL; only
 * files that may hold one are opened. They stay on the local disk until it is disposed.
 */
export async function openVisibleRows(
  lake: Lake,
  bronze: Snapshot,
  visible: {
    readonly ranges: readonly VisibleRange[];
    readonly first: Closing;
    /** SQL of a condition over the table's columns: only these rows. */
    readonly where?: string | undefined;
  },
): Promise<Scan> {
  const { ranges, first, where } = visible;
  const opened = await scan(lake, bronze, { files: filesOf(bronze, ranges) });
  const rows = where === undefined ? opened.sql : `(select * from ${opened.sql} where ${where})`;
  return { ...opened, sql: visibleSql(rows, ranges, first) };
}

// === Helpers ===

function parsePartition(name: string): Pick<VisibleRange, 'topic' | 'topicId' | 'partition'> {
  const [at, colon] = [name.indexOf('@'), name.lastIndexOf(':')];
  return {
    topic: name.slice(0, at),
    topicId: name.slice(at + 1, colon),
    partition: Number(name.slice(colon + 1)),
  };
}

/** Each partition's rows lie in few files: cost follows what is new. */
function filesOf(bronze: Snapshot, ranges: readonly VisibleRange[]): AddFile[] {
  const extents = new Map<string, { topicId: string; partition: number; from: number; to: number }>();
  for (const { topicId, partition, from, to } of ranges) {
    const key = `${topicId}:${partition}`;
    const known = extents.get(key) ?? { topicId, partition, from, to };
    extents.set(key, { ...known, from: Math.min(known.from, from), to: Math.max(known.to, to) });
  }
  const files = new Set<AddFile>();
  for (const { topicId, partition, from, to } of extents.values()) {
    const within = {
      _topic_id: { min: topicId, max: topicId },
      _partition: { min: String(partition), max: String(partition) },
      _offset: { min: String(from), max: String(to - 1) },
    };
    for (const file of pruneFiles(bronze, within)) files.add(file);
  }
  return [...files];
}

function visibleSql(rows: string, ranges: readonly VisibleRange[], first: Closing): string {
  if (ranges.length === 0)
    return `(select *, cast(null as bigint) as visible_from_ms from ${rows} where false)`;
  const { atMs, gridMs, delayMs } = first;
  const synthetic = `least(${atMs}, (epoch_ms(r._arrived_at) - ${delayMs} + ${gridMs - 1}) // ${gridMs} * ${gridMs})`;
  // The range that begins last at or before the offset: one per row, however many grid points there are.
  return `(
    select r.*, coalesce(v.visible_from_ms, ${synthetic})::bigint as visible_from_ms
    from ${rows} as r
    asof join (
      ${rangesSql(ranges)}
    ) as v
    on r._topic = v.topic and r._topic_id = v.topic_id and r._partition = v.part and r._offset >= v.first_offset
    where r._offset < v.end_offset
  )`;
}

/**
 * Ranges as rows (topic, topic_id, part, first_offset, end_offset, visible_from_ms). All grid points of a lake may be
 * in them: as lists in texts, one row a partition, they are read ten times as fast as rows that are spelled out.
 */
function rangesSql(ranges: readonly VisibleRange[]): string {
  const places = Map.groupBy(
    ranges,
    ({ topic, topicId, partition }) => `${sqlText(topic)}, ${sqlText(topicId)}, ${partition}`,
  );
  const rows = [...places].map(([place, own]) => {
    const list = (of: (range: VisibleRange) => number | undefined) =>
      `'[${own.map((range) => of(range) ?? 'NULL').join(', ')}]'`;
    return `(${place}, ${list(({ from }) => from)}, ${list(({ to }) => to)}, ${list((range) => range.visibleFromMs)})`;
  });
  return `select
        topic, topic_id, part, unnest(firsts::bigint[]) as first_offset, unnest(ends::bigint[]) as end_offset,
        unnest(points::bigint[]) as visible_from_ms
      from (values ${rows.join(', ')}) as t(topic, topic_id, part, firsts, ends, points)`;
}
