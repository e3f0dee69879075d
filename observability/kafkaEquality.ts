import type { TopicState } from '../infra/core/kafka.ts';
import type { OffsetRange } from '../infra/core/kafkaReader.ts';
import type { AddFile } from '../lakehouse/actions.ts';
import type { Lake } from '../lakehouse/lake.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { offsetWords } from './bronzeRows.ts';
import { type ChainState, type LandedPartition, partitionKey } from './landingChain.ts';
import { createOffsetSet, offsetsOfWord } from './offsetSet.ts';
import type { ViolationSink } from './violations.ts';

/** The log itself, read by a consumer that shares nothing with landing. */
export interface OffsetSource {
  /** Topics that are not there are left out. */
  states(topics: readonly string[]): Promise<readonly TopicState[]>;
  /** Hands over the offsets of all visible records in the ranges, ascending in each partition. */
  read(
    topic: string,
    ranges: readonly OffsetRange[],
    onOffsets: (partition: number, offsets: readonly number[]) => void,
  ): Promise<void>;
}

/** What of one partition Kafka still has, and what of it was compared. Offsets, ends exclusive. */
export interface ComparedPartition {
  readonly partition: number;
  readonly logStart: number;
  readonly logEnd: number;
  /** Compared with Kafka in this run; empty when there was nothing new. */
  readonly from: number;
  readonly to: number;
  readonly records: number;
  /** Records in the log beyond the progress. */
  readonly lag: number;
}

export interface EqualityCheck {
  readonly snapshot: Snapshot;
  readonly before: ChainState;
  readonly after: ChainState;
  /** Files that may hold rows at or above the offsets that were verified before. */
  readonly newFiles: readonly AddFile[];
}

/**
 * Set equality of one topic's incarnation with the table, over [log start, progress): the table holds
 * exactly the offsets that Kafka gives. What was compared before is not read again. The start of the
 * log is read last: what retention deletes meanwhile is no difference.
 */
export async function compareWithKafka(
  deps: { readonly lake: Lake; readonly source: OffsetSource },
  { state, check }: { readonly state: TopicState; readonly check: EqualityCheck },
  violations: ViolationSink,
): Promise<ComparedPartition[]> {
  const { lake, source } = deps;
  const { topic, topicId } = state;
  const ranges = rangesToCompare(state, check, violations);
  const inKafka = createOffsetSet();
  const counts = new Map<number, number>();
  await source.read(topic, ranges, (partition, offsets) => {
    for (const offset of offsets) inKafka.add(partition, offset);
    counts.set(partition, (counts.get(partition) ?? 0) + offsets.length);
  });
  const kept = await stillKept(source, state, ranges);
  const table = { snapshot: check.snapshot, files: check.newFiles, topic, topicId };
  for await (const { partition, word, bits } of offsetWords(lake, table, kept)) {
    const unknown = inKafka.subtract(partition, word, bits);
    if (unknown !== 0)
      reportUnknown(check, { ...state, partition, offsets: offsetsOfWord(word, unknown) }, violations);
  }
  for (const range of kept) {
    for (const [from, to] of inKafka.ranges(range.partition, range)) {
      const where = placeOf(check, { topic, topicId, partition: range.partition });
      violations.add('KAFKA_MISSING', where, `${to - from} records, offsets ${from} to ${to - 1}`);
    }
  }
  return comparedPartitions({ state, check, kept, counts });
}

// === Helpers ===

function landedOf(check: EqualityCheck, place: { topic: string; topicId: string; partition: number }) {
  return check.after.partitions.get(partitionKey(place)) as LandedPartition | undefined;
}

function placeOf(check: EqualityCheck, place: { topic: string; topicId: string; partition: number }): string {
  return `${check.snapshot.table} ${partitionKey(place)}`;
}

function rangesToCompare(state: TopicState, check: EqualityCheck, violations: ViolationSink): OffsetRange[] {
  const ranges: OffsetRange[] = [];
  for (const { partition, logStart, logEnd } of state.partitions) {
    const place = { topic: state.topic, topicId: state.topicId, partition };
    const landed = landedOf(check, place);
    if (landed === undefined) continue;
    if (landed.next > logEnd) {
      const what = `landed to ${landed.next}, the log ends at ${logEnd}`;
      violations.add('KAFKA_LOG_ENDS_EARLY', placeOf(check, place), what);
    }
    const verified = check.before.partitions.get(partitionKey(place))?.next ?? 0;
    const from = Math.max(logStart, verified);
    const to = Math.min(landed.next, logEnd);
    if (from < to) ranges.push({ partition, from, to });
  }
  return ranges;
}

/** The ranges without what retention has deleted since; none of them when the topic was made anew. */
async function stillKept(
  source: OffsetSource,
  { topic, topicId }: TopicState,
  ranges: readonly OffsetRange[],
): Promise<OffsetRange[]> {
  const [now] = await source.states([topic]);
  if (now?.topicId !== topicId) return [];
  const starts = new Map(now.partitions.map(({ partition, logStart }) => [partition, logStart]));
  return ranges
    .map((range) => ({ ...range, from: Math.max(range.from, starts.get(range.partition) ?? range.to) }))
    .filter(({ from, to }) => from < to);
}

function reportUnknown(
  check: EqualityCheck,
  found: { topic: string; topicId: string; partition: number; offsets: readonly number[] },
  violations: ViolationSink,
): void {
  violations.add('KAFKA_UNKNOWN', placeOf(check, found), `offsets ${found.offsets.join(', ')}`);
}

function comparedPartitions(made: {
  state: TopicState;
  check: EqualityCheck;
  kept: readonly OffsetRange[];
  counts: ReadonlyMap<number, number>;
}): ComparedPartition[] {
  const { state, check, kept, counts } = made;
  return state.partitions.map(({ partition, logStart, logEnd }) => {
    const next = landedOf(check, { ...state, partition })?.next ?? logStart;
    const range = kept.find((r) => r.partition === partition) ?? { from: next, to: next };
    return {
      partition,
      logStart,
      logEnd,
      from: range.from,
      to: range.to,
      records: counts.get(partition) ?? 0,
      lag: Math.max(0, logEnd - Math.max(next, logStart)),
    };
  });
}
