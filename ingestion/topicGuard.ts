import { fault } from '../infra/core/errorCatalog.ts';
import type { TidemarkError } from '../infra/core/errors.ts';
import type { TopicState } from '../infra/core/kafka.ts';
import { FILE_ID_PREFIX } from './progress.ts';

/** What landing believes about a topic while it reads it. */
export interface TopicExpectation {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: number;
  /** Next offset to read, of the partitions that are read here. */
  readonly positions: ReadonlyMap<number, number>;
}

/**
 * Why reading must not go on as if nothing had happened: the topic is another one under the same name,
 * or its log no longer holds the offset that comes next. Undefined when all is well. Pure.
 */
export function findTopicFault(
  expected: TopicExpectation,
  state: TopicState | undefined,
): TidemarkError | undefined {
  const { topic, topicId } = expected;
  if (state === undefined) return fault('LANDING_TOPIC_GONE', { topic, topicId });
  if (state.topicId !== topicId)
    return fault('LANDING_TOPIC_RECREATED', { topic, topicId, now: state.topicId });
  if (state.partitions.length !== expected.partitions) {
    const now = state.partitions.length;
    return fault('LANDING_PARTITIONS_CHANGED', { topic, partitions: expected.partitions, now });
  }
  for (const { partition, logStart, logEnd } of state.partitions) {
    const next = expected.positions.get(partition);
    if (next === undefined) continue;
    if (next < logStart) return fault('LANDING_RETENTION_OVERTOOK', { topic, partition, next, logStart });
    if (next > logEnd) return fault('LANDING_LOG_TRUNCATED', { topic, partition, next, logEnd });
  }
  return undefined;
}

/**
 * Whether landing may start on this incarnation of the topic: the first one of all, or one that has
 * landed before or was adopted. Pure.
 */
export function findIncarnationFault(
  state: TopicState,
  landed: ReadonlyMap<string, unknown>,
): TidemarkError | undefined {
  const live = [...landed.keys()].filter((topicId) => !topicId.startsWith(FILE_ID_PREFIX));
  if (live.length === 0 || live.includes(state.topicId)) return undefined;
  const topicId = live.join(', ');
  return fault('LANDING_TOPIC_RECREATED', { topic: state.topic, topicId, now: state.topicId });
}
