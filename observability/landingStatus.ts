import type { TopicState } from '../infra/core/kafka.ts';
import { FILE_ID_PREFIX, landedProgress } from '../ingestion/progress.ts';
import type { AddFile } from '../lakehouse/actions.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';

/** How far landing of one topic is; keys are part of the JSON output. */
export interface LandingStatus {
  readonly topic: string;
  readonly table: string;
  /** Of the incarnation that Kafka has; null when Kafka does not tell. */
  readonly topic_id: string | null;
  /** Records in Kafka behind the progress; null when Kafka does not tell. */
  readonly lag_records: number | null;
  /** Age of the oldest record that waits: 0 when none does, null when not known. */
  readonly lag_seconds: number | null;
  /** Arrival of the newest landed record, ISO. */
  readonly newest_arrival: string | null;
  /** What keeps this topic from landing; null when nothing does. */
  readonly problem: string | null;
}

export interface LandingView {
  readonly topic: string;
  readonly table: string;
  readonly cluster: string;
  /** Undefined before the first record has landed. */
  readonly landed: { readonly tableId: string; readonly snapshot: Snapshot } | undefined;
  /** Undefined when Kafka has not the topic. */
  readonly state: TopicState | undefined;
  readonly isKafkaThere: boolean;
}

/** The partition and offset where the oldest waiting record may be; undefined when none waits. Pure. */
export function waitingOffsets(view: LandingView): { readonly partition: number; readonly offset: number }[] {
  const { state } = view;
  if (state === undefined) return [];
  const next = progressOf(view);
  return state.partitions.flatMap(({ partition, logStart, logEnd }) => {
    const offset = Math.max(next?.get(partition) ?? logStart, logStart);
    return offset < logEnd ? [{ partition, offset }] : [];
  });
}

/** The status, given when the oldest waiting record arrived if that is known. Pure. */
export function landingStatus(
  view: LandingView,
  now: { nowMs: number; oldestMs: number | undefined },
): LandingStatus {
  const { topic, table, landed, state } = view;
  const lag = state === undefined ? null : lagOf(view, state);
  const seconds = now.oldestMs === undefined ? null : Math.max(0, (now.nowMs - now.oldestMs) / 1_000);
  const newest = landed === undefined ? undefined : newestArrival(landed.snapshot.files.values());
  return {
    topic,
    table,
    topic_id: state?.topicId ?? null,
    lag_records: lag,
    lag_seconds: lag === 0 ? 0 : seconds === null ? null : Math.round(seconds),
    newest_arrival: newest ?? null,
    problem: problemOf(view),
  };
}

/** Newest `_arrived_at` by the statistics of the files that were written last. Pure. */
export function newestArrival(files: Iterable<AddFile>): string | undefined {
  const newest = [...files].toSorted((a, b) => b.modificationTime - a.modificationTime).slice(0, LOOKED_AT);
  const arrivals = newest.flatMap(({ stats }) => {
    const arrival = stats ? (JSON.parse(stats) as FileStats).maxValues?.['_arrived_at'] : undefined;
    return typeof arrival === 'string' ? [new Date(arrival).toISOString()] : [];
  });
  return arrivals.toSorted().at(-1);
}

// === Helpers ===

/** Compaction may rewrite old rows last: a few files more than one flush writes. */
const LOOKED_AT = 50;

interface FileStats {
  readonly maxValues?: Readonly<Record<string, unknown>>;
}

function progressOf({ topic, cluster, landed, state }: LandingView): ReadonlyMap<number, number> | undefined {
  if (landed === undefined || state === undefined) return undefined;
  const place = { tableId: landed.tableId, cluster, topic };
  return landedProgress(landed.snapshot, place).get(state.topicId);
}

function lagOf(view: LandingView, state: TopicState): number {
  const waiting = new Map(waitingOffsets(view).map(({ partition, offset }) => [partition, offset]));
  return state.partitions.reduce(
    (lag, { partition, logEnd }) => lag + (logEnd - (waiting.get(partition) ?? logEnd)),
    0,
  );
}

function problemOf(view: LandingView): string | null {
  const { topic, cluster, landed, state, isKafkaThere } = view;
  if (!isKafkaThere) return null;
  if (state === undefined) return 'Kafka has no such topic';
  if (landed === undefined) return null;
  const incarnations = landedProgress(landed.snapshot, { tableId: landed.tableId, cluster, topic });
  const progress = incarnations.get(state.topicId);
  const others = [...incarnations.keys()].filter(
    (id) => id !== state.topicId && !id.startsWith(FILE_ID_PREFIX),
  );
  if (progress === undefined && others.length > 0) {
    return `the topic was made again; resolve with ./tidemark topics adopt ${topic}`;
  }
  const truncated = state.partitions.find((p) => (progress?.get(p.partition) ?? 0) > p.logEnd);
  if (truncated !== undefined) return `partition ${truncated.partition} landed beyond the end of its log`;
  const overtaken = state.partitions.find((p) => {
    const next = progress?.get(p.partition);
    return next !== undefined && next < p.logStart;
  });
  if (overtaken !== undefined) return `retention overtook partition ${overtaken.partition}: records are lost`;
  return null;
}
