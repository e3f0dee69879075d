import type { CrashPoint } from '../../infra/core/ports.ts';
import type { Postgres, Queryable } from '../../infra/core/postgres.ts';
import { partitionName } from '../../ingestion/partitionIdentity.ts';
import type { SourcePlace } from '../decision.ts';
import { groupDecisions } from './alertGroups.ts';
import { writeAlerts } from './alertWrites.ts';
import type { SeenDecision } from './decisionRecords.ts';
import { writeProgress } from './progress.ts';

/** Decisions of one partition between two offsets of the topic of decisions, in order. */
export interface PartitionBatch {
  readonly partition: number;
  readonly from: number;
  readonly next: number;
  readonly seen: readonly SeenDecision[];
}

export interface Applied {
  /** Partitions that somebody else had moved meanwhile, with their next offset: nothing of theirs was done. */
  readonly moved: ReadonlyMap<number, number>;
  readonly alerting: number;
  /** Dropped by the high-water rule. */
  readonly repeats: number;
}

/**
 * The effect of a batch and the position behind it, in one transaction:
 *
 *   lock positions → drop partitions that moved → high-water rule → alerts → high water → positions
 *
 * @throws POSTGRES_UNAVAILABLE
 */
export async function applyDecisions(
  postgres: Postgres,
  batch: {
    readonly topic: string;
    readonly topicId: string;
    readonly partitions: readonly PartitionBatch[];
    readonly windowMs: number;
    readonly crashPoint: CrashPoint;
  },
): Promise<Applied> {
  const applied = await postgres.withTransaction(async (tx) => {
    const moved = await lockPositions(tx, batch);
    const ours = batch.partitions.filter(({ partition }) => !moved.has(partition));
    const highWater = await readHighWater(tx, ours);
    const first = ours.flatMap(({ seen }) => seen.filter(({ place }) => isFirst(highWater, place)));
    await writeAlerts(tx, groupDecisions(first, batch.windowMs), batch.windowMs);
    await writeHighWater(tx, highWater);
    await writeProgress(tx, batch, new Map(ours.map(({ partition, next }) => [partition, next])));
    batch.crashPoint('before-alerts-commit');
    const seen = ours.reduce((sum, one) => sum + one.seen.length, 0);
    const alerting = first.filter((one) => one.alerting !== undefined).length;
    return { moved, alerting, repeats: seen - first.length };
    // COMMIT POINT: positions, high water and alerts, or none of them.
  });
  batch.crashPoint('after-alerts-commit');
  return applied;
}

// === Helpers ===

/** 1 + highest offset seen, by partition of what was decided. */
type HighWater = Map<string, { readonly place: SourcePlace; next: number; isRaised: boolean }>;

/** The lock makes a second consumer of a partition wait, and then see that it has moved. */
async function lockPositions(
  tx: Queryable,
  batch: { topic: string; topicId: string; partitions: readonly PartitionBatch[] },
): Promise<Map<number, number>> {
  const rows = await tx.query<{ partition: number; next: number }>(
    `select partition, next_offset as next from tidemark.alert_progress
     where topic = $1 and topic_id = $2 and partition = any($3::int[]) order by partition for update`,
    [batch.topic, batch.topicId, batch.partitions.map(({ partition }) => partition)],
  );
  const next = new Map(rows.map((row) => [row.partition, row.next]));
  const moved = new Map<number, number>();
  for (const { partition, from } of batch.partitions) {
    const held = next.get(partition);
    if (held !== from) moved.set(partition, held ?? 0);
  }
  return moved;
}

async function readHighWater(tx: Queryable, batches: readonly PartitionBatch[]): Promise<HighWater> {
  const rows = await tx.query<SourcePlace & { next: number }>(
    `select topic, topic_id as "topicId", partition, next_offset as next from tidemark.alert_high_water
     where partition = any($1::int[])`,
    [batches.map(({ partition }) => partition)],
  );
  return new Map(
    rows.map(({ next, ...place }) => [partitionName(place), { place, next, isRaised: false }] as const),
  );
}

/** hot path. Whether the record was not decided before; from now on it was. */
function isFirst(highWater: HighWater, place: SourcePlace): boolean {
  const name = partitionName(place);
  const entry = highWater.get(name);
  if (entry === undefined) {
    highWater.set(name, { place, next: place.offset + 1, isRaised: true });
    return true;
  }
  if (place.offset < entry.next) return false;
  entry.next = place.offset + 1;
  entry.isRaised = true;
  return true;
}

async function writeHighWater(tx: Queryable, highWater: HighWater): Promise<void> {
  const raised = [...highWater.values()].filter(({ isRaised }) => isRaised);
  if (raised.length === 0) return;
  await tx.query(
    `insert into tidemark.alert_high_water as h (topic, topic_id, partition, next_offset)
     select * from unnest($1::text[], $2::text[], $3::int[], $4::bigint[])
     on conflict (topic, topic_id, partition) do update
     set next_offset = greatest(h.next_offset, excluded.next_offset)`,
    [
      raised.map(({ place }) => place.topic),
      raised.map(({ place }) => place.topicId),
      raised.map(({ place }) => place.partition),
      raised.map(({ next }) => next),
    ],
  );
}
