import { fault } from '../../infra/core/errorCatalog.ts';
import type { TidemarkError } from '../../infra/core/errors.ts';
import type { TopicState } from '../../infra/core/kafka.ts';
import type { Postgres, Queryable } from '../../infra/core/postgres.ts';

/** One incarnation of the topic of decisions, and the table of it that outlives Kafka. */
export interface DecisionsTopic {
  readonly topic: string;
  readonly topicId: string;
  readonly table: string;
}

/**
 * Next offset by partition. A partition that is new starts at the log's start, unless alerts were made
 * from another incarnation of the topic before.
 * @throws ALERTS_TOPIC_RECREATED, ALERTS_LOG_CHANGED, POSTGRES_UNAVAILABLE
 */
export async function openProgress(
  postgres: Postgres,
  state: TopicState,
  table: string,
): Promise<Map<number, number>> {
  return await postgres.withTransaction(async (tx) => {
    const { topic, topicId, partitions } = state;
    const known = await tx.query<{ topicId: string }>(
      'select distinct topic_id as "topicId" from tidemark.alert_progress where topic = $1',
      [topic],
    );
    const ids = known.map((row) => row.topicId);
    if (ids.length > 0 && !ids.includes(topicId)) {
      throw fault('ALERTS_TOPIC_RECREATED', { topic, topicId: ids.join(', '), now: topicId });
    }
    await tx.query(START_PARTITIONS, [
      topic,
      topicId,
      partitions.map((one) => one.partition),
      partitions.map((one) => one.logStart),
    ]);
    const positions = await readProgress(tx, { topic, topicId });
    const problem = findTopicFault({ topic, topicId, table }, state, positions);
    if (problem !== undefined) throw problem;
    return positions;
  });
}

/** What is wrong with the topic that is read, or with what comes next in it; undefined when all is well. Pure. */
export function findTopicFault(
  { topic, topicId, table }: DecisionsTopic,
  state: TopicState | undefined,
  positions: ReadonlyMap<number, number>,
): TidemarkError | undefined {
  if (state?.topicId !== topicId) {
    return fault('ALERTS_TOPIC_RECREATED', { topic, topicId, now: state?.topicId ?? 'missing' });
  }
  for (const { partition, logStart, logEnd } of state.partitions) {
    const next = positions.get(partition) ?? logStart;
    if (next >= logStart && next <= logEnd) continue;
    return fault('ALERTS_LOG_CHANGED', { topic, partition, next, logStart, logEnd, table });
  }
  return undefined;
}

/**
 * Accepts the topic as it is now: every partition goes on at the log's start; the high-water rule drops what
 * was seen before. Returns whether anything changed. @throws POSTGRES_UNAVAILABLE
 */
export async function adoptTopic(postgres: Postgres, state: TopicState): Promise<boolean> {
  return await postgres.withTransaction(async (tx) => {
    const { topic, topicId } = state;
    await tx.query('select 1 from tidemark.alert_progress where topic = $1 for update', [topic]);
    const positions = await readProgress(tx, { topic, topicId });
    const isInLog = ({ partition, logStart, logEnd }: TopicState['partitions'][number]) => {
      const next = positions.get(partition) ?? -1;
      return next >= logStart && next <= logEnd;
    };
    const moved = state.partitions.filter((one) => !isInLog(one));
    const partitions = moved.map((one) => one.partition);
    const starts = moved.map((one) => one.logStart);
    await tx.query(START_PARTITIONS, [topic, topicId, partitions, starts]);
    await tx.query(MOVE_PARTITIONS, [topic, topicId, partitions, starts]);
    const { length } = await tx.query(
      'delete from tidemark.alert_progress where topic = $1 and topic_id <> $2 returning 1',
      [topic, topicId],
    );
    return moved.length > 0 || length > 0;
  });
}

/** Moves partitions in the caller's transaction. */
export async function writeProgress(
  tx: Queryable,
  { topic, topicId }: { readonly topic: string; readonly topicId: string },
  next: ReadonlyMap<number, number>,
): Promise<void> {
  await tx.query(MOVE_PARTITIONS, [topic, topicId, [...next.keys()], [...next.values()]]);
}

// === Helpers ===

const START_PARTITIONS = `
insert into tidemark.alert_progress (topic, topic_id, partition, next_offset)
select $1, $2, * from unnest($3::int[], $4::bigint[])
on conflict do nothing`;

const MOVE_PARTITIONS = `
update tidemark.alert_progress as p set next_offset = n.next_offset
from unnest($3::int[], $4::bigint[]) as n(partition, next_offset)
where p.topic = $1 and p.topic_id = $2 and p.partition = n.partition`;

async function readProgress(
  on: Queryable,
  { topic, topicId }: { topic: string; topicId: string },
): Promise<Map<number, number>> {
  const rows = await on.query<{ partition: number; next: number }>(
    'select partition, next_offset as next from tidemark.alert_progress where topic = $1 and topic_id = $2',
    [topic, topicId],
  );
  return new Map(rows.map(({ partition, next }) => [partition, next]));
}
