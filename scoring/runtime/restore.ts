import type { Logger } from '../../infra/core/ports.ts';
import { partitionName } from '../../ingestion/partitionIdentity.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { bronzeRecords, foldHistory, type History } from './bronzeHistory.ts';
import { OwnedPartition } from './ownedPartition.ts';
import type { RestorePlan } from './positions.ts';
import { ITEM_BYTES, type ScoreQueue } from './scoreQueue.ts';
import type { SourcePlan } from './takeUp.ts';

export interface RestoreParts {
  readonly lake: Lake;
  readonly queue: ScoreQueue;
  /** Records wait in memory up to this many bytes. */
  readonly queueBytes: number;
  readonly log: Logger;
}

export interface RestoreRequest {
  /** Partitions that this process had before, by `partitionName`. */
  readonly parked: ReadonlyMap<string, OwnedPartition>;
  /** See `FoldRequest`. */
  readonly firstLiveMs?: number | undefined;
  /** Whether the assignment is over meanwhile. */
  readonly isOver: () => boolean;
}

/**
 * The partitions of a plan with the windows that they would have had nobody ever stopped. Windows that are
 * held already are kept where nobody else has gone on: only then do they end at the position.
 */
export async function restorePartitions(
  { lake }: RestoreParts,
  { source, now, plans }: SourcePlan,
  { parked, firstLiveMs, isOver }: RestoreRequest,
): Promise<OwnedPartition[]> {
  const partitions = plans.map((plan) => {
    const kept = parked.get(partitionName(plan.place));
    return new OwnedPartition(plan, source, kept?.folded === plan.position ? kept.lane : undefined);
  });
  const empty = new Map(
    partitions.filter(({ isKept }) => !isKept).map((one) => [one.plan.place.partition, one] as const),
  );
  const below = new Map([...empty].map(([number, { plan }]) => [number, plan.foldBelow]));
  // Files that landed since count too where the first live record has only now come.
  const snapshot = firstLiveMs === undefined ? now.snapshot : await source.table.snapshot();
  await foldHistory({ ...source, lake, snapshot }, { below, firstLiveMs, isOver }, (number, record) =>
    empty.get(number)?.lane.fold(record),
  );
  return partitions;
}

/** Queues what Kafka has no more, from bronze. Waits for room; an assignment that is over ends it. */
export async function queueFromBronze(
  { lake, queue, queueBytes, log }: RestoreParts,
  history: Omit<History, 'lake'>,
  {
    owner,
    fetch,
    isOver,
  }: { readonly owner: OwnedPartition; readonly fetch: number; readonly isOver: () => boolean },
): Promise<void> {
  const { lane } = owner;
  const { place, bronze }: RestorePlan = owner.plan;
  if (bronze.from >= bronze.to) return;
  log.warn({ ...place, ...bronze }, 'Kafka has these records no more: they are decided from bronze');
  const rows = bronzeRecords({ ...history, lake }, { partition: place.partition, ...bronze });
  for await (const { offset, record } of rows) {
    await queue.below(queueBytes);
    if (isOver()) return;
    const receivedAtMs = lake.clock.nowMs();
    const arrivedAtMs = 'arrivedAtMs' in record ? record.arrivedAtMs : receivedAtMs;
    queue.push({ lane, offset, record, receivedAtMs, owner, arrivedAtMs, bytes: ITEM_BYTES, fetch });
  }
}
