import { fetchTopicStates } from '../infra/core/kafka.ts';
import { readTopic } from '../infra/core/kafkaReader.ts';
import type { Logger } from '../infra/core/ports.ts';
import type { OffsetSource } from './kafkaEquality.ts';

/** The offsets of a real cluster, read by a group of its own that is forgotten afterwards. */
export function kafkaOffsets(options: {
  readonly brokers: readonly string[];
  readonly log: Logger;
  readonly signal?: AbortSignal;
}): OffsetSource {
  return {
    states: (topics) => fetchTopicStates(options.brokers, topics, { retries: 2 }),
    read: (topic, ranges, onOffsets) =>
      readTopic({ ...options, topic, ranges }, async ({ partition, records }) => {
        onOffsets(
          partition,
          records.map(({ offset }) => Number(offset)),
        );
      }),
  };
}
