import { answeredAppId } from '../ingestion/answered.ts';
import { partitionName } from '../ingestion/partitionIdentity.ts';
import { FILE_ID_PREFIX } from '../ingestion/progress.ts';
import type { Lake } from '../lakehouse/lake.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import {
  compareRows,
  firstBeyond,
  keepCounting,
  keptOutside,
  keptRanges,
  type PlacedRange,
} from './decisionRows.ts';
import type { ChainState, LandedPartition } from './landingChain.ts';
import type { ViolationSink } from './violations.ts';

/**
 * Decisions against records: by the high-water rule the decisions about a partition are exactly its
 * records from its start up to the scorer's position, none missing and none else. What a restarted or a
 * late scorer repeats is not above the mark, and legal. Beyond what has landed nothing is compared yet.
 *
 * State: of each source partition the offsets [first, next) that were compared; of each partition of
 * decisions the offset from which on its rows are needed again.
 */
export interface DecisionsCheck {
  readonly decisions: CheckedTable;
  readonly sources: readonly CheckedTable[];
  /** By `partitionName`; read after the snapshots were taken, so that none of them has a decision before. */
  readonly starts: ReadonlyMap<string, number>;
  readonly before: ChainState;
}

export interface CheckedTable {
  readonly snapshot: Snapshot;
  readonly after: ChainState;
}

/** A source partition that is scored. Offsets, ends exclusive. */
export interface DecidedPartition extends PlacedRange {
  /** [from, to) were compared in this run; empty when there was nothing new. */
  readonly start: number;
  /** Where the scorer is: 1 + the highest offset that is decided, the start before the first. */
  readonly position: number;
  /** Landed offsets that are not decided. */
  readonly lag: number;
}

export interface DecisionsReport {
  readonly partitions: readonly DecidedPartition[];
  /** Live incarnations that landed and of which no partition was ever to be decided. */
  readonly unscored: readonly { readonly topic: string; readonly topicId: string }[];
}

/** Compares what is new since `before`; gives the report, and the state from which to go on. */
export async function checkDecisions(
  lake: Lake,
  check: DecisionsCheck,
  violations: ViolationSink,
): Promise<{ readonly report: DecisionsReport; readonly state: ChainState }> {
  const { decisions, sources } = check;
  await using session = await lake.duckdb.connect();
  const ranges = [...decisions.after.partitions.values()].map((at) => {
    const from = check.before.partitions.get(partitionName(at))?.next ?? at.first;
    return { ...placeOf(at), from: Math.min(from, at.next), to: at.next };
  });
  const compared = [...check.before.partitions.values()].map((at) => ({
    ...placeOf(at),
    from: at.first,
    to: at.next,
  }));
  await keepCounting(lake, session, { snapshot: decisions.snapshot, ranges, compared }, violations);
  const partitions = decidedPartitions(check, await keptRanges(session));
  checkPositions(check, partitions, violations);
  for (const { snapshot, after } of sources) {
    const own = partitions.filter((p) => after.partitions.has(partitionName(p)) && p.from < p.to);
    if (own.length > 0) await compareRows(lake, session, { snapshot, ranges: own }, violations);
  }
  for (const { from, to, ...place } of await keptOutside(session, partitions)) {
    const start = check.starts.get(partitionName(place));
    const what =
      start === undefined ? 'nothing was to be decided' : `what is below ${start} was not to be decided`;
    violations.add('DECISIONS_UNKNOWN', partitionName(place), `offsets ${from} to ${to - 1}: ${what}`);
  }
  const [topic] = [...decisions.after.partitions.values()].map((at) => at.topic);
  const needed = topic === undefined ? [] : await firstBeyond(session, topic, partitions);
  return {
    report: { partitions, unscored: unscoredOf(check) },
    state: stateAfter(check, partitions, needed),
  };
}

// === Helpers ===

function placeOf({ topic, topicId, partition }: LandedPartition) {
  return { topic, topicId, partition };
}

function decidedPartitions(check: DecisionsCheck, kept: readonly PlacedRange[]): DecidedPartition[] {
  const landed = new Map(check.sources.flatMap(({ after }) => [...after.partitions]));
  const positions = new Map(kept.map((range) => [partitionName(range), range.to]));
  return [...check.starts].map(([name, start]) => {
    const before = check.before.partitions.get(name)?.next ?? start;
    const position = positions.get(name) ?? before;
    const next = landed.get(name)?.next;
    const to = Math.max(before, Math.min(position, next ?? before));
    const lag = Math.max(0, (next ?? position) - position);
    return { ...identityOf(name), start, position, from: before, to, lag };
  });
}

/** The inverse of `partitionName`. */
function identityOf(name: string): { topic: string; topicId: string; partition: number } {
  const [, topic = '', topicId = '', partition = ''] = /^([^@]+)@(.+):(\d+)$/.exec(name) ?? [];
  return { topic, topicId, partition: Number(partition) };
}

/** The position that landing noted is where a scorer goes on: it must be that of the rows. */
function checkPositions(
  { decisions: { snapshot }, starts }: DecisionsCheck,
  partitions: readonly DecidedPartition[],
  violations: ViolationSink,
): void {
  for (const { position, start, ...place } of partitions) {
    const name = partitionName(place);
    const noted = snapshot.txns.get(answeredAppId(place)) ?? start;
    if (noted === position) continue;
    violations.add('DECISIONS_POSITION', name, `decided up to ${position}, the position noted is ${noted}`);
  }
  for (const [appId, noted] of snapshot.txns) {
    const name = appId.startsWith(POSITION) ? appId.slice(POSITION.length) : undefined;
    if (name === undefined || starts.has(name)) continue;
    violations.add('DECISIONS_POSITION', name, `a position is noted, ${noted}, but no start`);
  }
}

/** What the ids of `answeredAppId` begin with. */
const POSITION = 'score:';

function unscoredOf({ sources, starts, decisions }: DecisionsCheck): DecisionsReport['unscored'] {
  const scored = new Set([...starts.keys()].map((name) => name.replace(/:\d+$/, '')));
  const live = sources
    .filter(({ snapshot }) => snapshot.table !== decisions.snapshot.table)
    .flatMap(({ after }) => [...after.partitions.values()])
    .filter(({ topicId }) => !topicId.startsWith(FILE_ID_PREFIX));
  const incarnations = new Map(live.map(({ topic, topicId }) => [`${topic}@${topicId}`, { topic, topicId }]));
  return [...incarnations].filter(([name]) => !scored.has(name)).map(([, incarnation]) => incarnation);
}

function stateAfter(
  { decisions, before }: DecisionsCheck,
  partitions: readonly DecidedPartition[],
  needed: readonly PlacedRange[],
): ChainState {
  const covered = (place: Omit<PlacedRange, 'from' | 'to'>, first: number, next: number) =>
    [
      partitionName(place),
      { ...identityOf(partitionName(place)), first, next, fetched: 0, bad: 0, lost: 0 },
    ] as const;
  const again = new Map(needed.map((range) => [partitionName(range), range.from]));
  return {
    version: decisions.snapshot.version,
    partitions: new Map([
      ...before.partitions,
      ...partitions.map((p) => covered(p, p.start, p.to)),
      ...[...decisions.after.partitions].map(([name, at]) =>
        covered(at, at.first, again.get(name) ?? at.next),
      ),
    ]),
  };
}
