import type { TopicState } from '../../infra/core/kafka.ts';
import { openTable } from '../../lakehouse/table.ts';
import type { OffsetSource } from '../../observability/kafkaEquality.ts';
import { progressAppId, withDefinition } from '../../transforms/progress.ts';
import { commitTo, createTableLike, stageRows, type TempLake } from '../support/tempLake.ts';

/** One landed range of a partition: the offsets that hold a record, and which of them are bad. */
export interface LandedRange {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly bad?: readonly number[];
  /** Offsets in the range that hold no record: transaction markers, aborted records. */
  readonly gaps?: readonly number[];
}

export const TABLE = 'bronze.events';
export const TOPIC = 'events';
export interface Incarnation {
  readonly topic: string;
  readonly topicId: string;
}
const FIRST_INCARNATION: Incarnation = { topic: TOPIC, topicId: 'id-1' };
export const DATE = '2026-01-01';

function offsetsOf({ from, to, gaps = [] }: LandedRange): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i).filter((offset) => !gaps.includes(offset));
}

export function rowsSql(ranges: readonly LandedRange[], place: Incarnation = FIRST_INCARNATION): string {
  const rows = ranges.flatMap((range) =>
    offsetsOf(range).map((offset) => {
      const isBad = range.bad?.includes(offset) === true;
      const error = isBad ? "{'code': 'NOT_JSON', 'stage': 'decode', 'detail': 'x'}" : 'null';
      return `(${range.partition}, ${offset}::bigint, ${error}::struct(code varchar, stage varchar, detail varchar))`;
    }),
  );
  return `select '${place.topic}' as _topic, '${place.topicId}' as _topic_id, p as _partition, o as _offset, e as _error,
    date '${DATE}' as arrival_date from (values ${rows.join(', ')}) t(p, o, e)`;
}

export function appIdOf(tableId: string, partition: number, place: Incarnation = FIRST_INCARNATION): string {
  return `land:${tableId}:main:${place.topic}@${place.topicId}:${partition}`;
}

/** One landing commit as landing writes it. */
export async function land(
  lake: TempLake,
  ranges: readonly LandedRange[],
  place: Incarnation = FIRST_INCARNATION,
): Promise<void> {
  const select = rowsSql(ranges, place);
  const table = await createTableLike(lake, { name: TABLE, select, partitionColumns: ['arrival_date'] });
  const base = await table.snapshot();
  const landing = ranges.map((range) => {
    const fetched = offsetsOf(range).length;
    const bad = range.bad?.length ?? 0;
    const { partition, from, to } = range;
    return { ...place, partition, from, to, fetched, good: fetched - bad, bad };
  });
  const txns = ranges.map(({ partition, to }) => {
    const appId = appIdOf(table.id, partition, place);
    return { appId, expected: base.txns.get(appId), version: to };
  });
  const adds = await stageRows(lake, table, { select, partitionValues: { arrival_date: DATE } });
  await commitTo(table, { operation: 'STREAMING UPDATE', base, adds, txns, info: { landing } });
}

/** What OPTIMIZE does: the rows of all live files in one, or in what `select` makes of them. */
export async function rearrange(lake: TempLake, ranges: readonly LandedRange[]): Promise<void> {
  const table = await openTable(lake, TABLE);
  if (table === undefined) throw new Error('no table');
  const base = await table.snapshot();
  const adds = await stageRows(lake, table, {
    select: rowsSql(ranges),
    partitionValues: { arrival_date: DATE },
  });
  const rearranged = adds.map((add) => ({ ...add, dataChange: false }));
  await commitTo(table, {
    operation: 'OPTIMIZE',
    base,
    adds: rearranged,
    removes: [...base.files.values()],
    dataChange: false,
  });
}

/** Rewrites the lines of one commit of the log, as a vandal would. */
export async function tamper(
  lake: TempLake,
  version: number,
  edit: (lines: Record<string, Record<string, unknown>>[]) => object[],
  table = TABLE,
): Promise<void> {
  const key = `${table.replace('.', '/')}/_delta_log/${String(version).padStart(20, '0')}.json`;
  const body = await lake.store.read(key);
  const lines = new TextDecoder().decode(body).trim().split('\n');
  const edited = edit(lines.map((line) => JSON.parse(line)));
  await lake.store.put(
    key,
    new TextEncoder().encode(edited.map((line) => `${JSON.stringify(line)}\n`).join('')),
  );
}

export interface FakeLog extends OffsetSource {
  /** Offsets that were handed out. */
  readonly reads: { topic: string; partition: number; from: number; to: number }[];
}

/** A log of one topic that holds these records. `logStart` and `logEnd` follow from them unless given. */
export function fakeLog(
  ranges: readonly LandedRange[],
  options: { topicId?: string; logStart?: number; logEnd?: number } = {},
): FakeLog {
  const byPartition = Map.groupBy(ranges, ({ partition }) => partition);
  const partitions = [...byPartition].map(([partition, of]) => ({
    partition,
    logStart: options.logStart ?? Math.min(...of.map(({ from }) => from)),
    logEnd: options.logEnd ?? Math.max(...of.map(({ to }) => to)),
  }));
  const state: TopicState = { topic: TOPIC, topicId: options.topicId ?? 'id-1', partitions };
  const reads: FakeLog['reads'] = [];
  return {
    reads,
    states: async (topics) => (topics.includes(TOPIC) ? [state] : []),
    read: async (topic, wanted, onOffsets) => {
      for (const { partition, from, to } of wanted) {
        reads.push({ topic, partition, from, to });
        const offsets = (byPartition.get(partition) ?? []).flatMap(offsetsOf);
        onOffsets(
          partition,
          offsets.filter((offset) => offset >= from && offset < to),
        );
      }
    },
  };
}

/** A keyed model over the bronze table whose progress says that it consumed `consumed`. */
export async function buildModel(
  lake: TempLake,
  model: { consumed: number; rows: string; at?: string },
): Promise<number> {
  const source = await openTable(lake, TABLE);
  const table = await createTableLike(lake, { name: 'silver.m', select: "select 'a' as k" });
  const base = await table.snapshot();
  const definition = model.at ?? 'hash1';
  const appId = progressAppId('silver.m', definition, source?.id ?? '');
  const adds = await stageRows(lake, table, { select: model.rows });
  return await commitTo(table, {
    base,
    adds,
    reads: 'table',
    metaData: withDefinition(base.metadata, definition),
    txns: [{ appId, expected: base.txns.get(appId), version: model.consumed }],
  });
}
