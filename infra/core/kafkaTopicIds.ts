import { Admin } from '@platformatic/kafka';
import { fault } from './errorCatalog.ts';

/** Which incarnation of a topic the cluster has: a topic that is made again has another id. */
export interface TopicIdentity {
  readonly topicId: string;
  readonly partitions: number;
}

/** Reads topic ids, which only Metadata v10 and later carry; the only import of @platformatic/kafka. */
export interface TopicIdReader extends AsyncDisposable {
  /** Fresh from the cluster; a topic that is not there is missing in the answer. @throws KAFKA_UNAVAILABLE */
  read(topics: readonly string[]): Promise<ReadonlyMap<string, TopicIdentity>>;
}

/** Opens a reader of its own; nothing is sent before the first read. */
export function openTopicIdReader(options: {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly retries?: number;
}): TopicIdReader {
  const admin = new Admin({
    clientId: options.clientId,
    bootstrapBrokers: [...options.brokers],
    retries: options.retries ?? 30,
    retryDelay: 500,
    connectTimeout: 2_000,
    requestTimeout: 10_000,
  });
  return {
    read: async (topics) => {
      try {
        // Listing first: asking for a topic that is not there is an error for the whole request.
        const known = new Set(await admin.listTopics());
        const present = topics.filter((topic) => known.has(topic));
        if (present.length === 0) return new Map();
        const metadata = await admin.metadata({
          topics: present,
          forceUpdate: true,
          autocreateTopics: false,
        });
        return new Map(
          present.flatMap((topic) => {
            const found = metadata.topics.get(topic);
            return found === undefined
              ? []
              : [[topic, { topicId: found.id, partitions: found.partitionsCount }] as const];
          }),
        );
      } catch (error) {
        throw fault(
          'KAFKA_UNAVAILABLE',
          { brokers: options.brokers.join(','), detail: message(error) },
          error,
        );
      }
    },
    [Symbol.asyncDispose]: async () => {
      await admin.close();
    },
  };
}

// === Helpers ===

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
