import { fault } from '../../infra/core/errorCatalog.ts';
import type { TopicIdReader } from '../../infra/core/kafkaTopicIds.ts';

export interface ExpectedTopic {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: number;
}

/**
 * Before decisions are sent, topic ids and partition counts are read again, later than the last fetch that
 * they stand on: a topic under the same name may be another one by then.
 */
export class IdentityGuard {
  /** Fetches so far; a record keeps the number of its own. */
  fetches = 0;
  #covered = 0;
  readonly #reader: TopicIdReader;
  readonly #expected: readonly ExpectedTopic[];

  constructor(reader: TopicIdReader, expected: readonly ExpectedTopic[]) {
    this.#reader = reader;
    this.#expected = expected;
  }

  /**
   * That the topics are still those, up to this fetch. Asks the cluster only for what it was not asked yet.
   * @throws LANDING_TOPIC_GONE, LANDING_TOPIC_RECREATED, LANDING_PARTITIONS_CHANGED, KAFKA_UNAVAILABLE
   */
  async cover(fetch: number): Promise<void> {
    if (fetch <= this.#covered) return;
    const upTo = this.fetches;
    const found = await this.#reader.read(this.#expected.map(({ topic }) => topic));
    for (const { topic, topicId, partitions } of this.#expected) {
      const state = found.get(topic);
      if (state === undefined) throw fault('LANDING_TOPIC_GONE', { topic, topicId });
      if (state.topicId !== topicId)
        throw fault('LANDING_TOPIC_RECREATED', { topic, topicId, now: state.topicId });
      if (state.partitions !== partitions)
        throw fault('LANDING_PARTITIONS_CHANGED', { topic, partitions, now: state.partitions });
    }
    this.#covered = upTo;
  }
}
