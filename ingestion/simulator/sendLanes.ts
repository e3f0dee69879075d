import { isFault } from '../../infra/core/errorCatalog.ts';
import type { KafkaProducer, OutgoingRecord } from '../../infra/core/kafka.ts';

/** A record on its way, and when it was due on the monotone clock. */
export interface LaneRecord {
  readonly topic: string;
  readonly record: OutgoingRecord;
  readonly dueMs: number;
}

export interface SendLanes {
  offer(record: LaneRecord): void;
  /** Offered, but neither acknowledged nor given up. */
  readonly outstanding: number;
  /** Resolves when nothing is outstanding. */
  drained(): Promise<void>;
  /** An error that is not the broker's absence; the run has to stop. */
  readonly broken: unknown;
}

/** The most records of one send; the producer cuts it further by bytes. */
const MAX_SEND = 5_000;

/**
 * A lane a topic with one send in flight, so that records of a key keep their order. A send that the
 * producer gives up is counted and the lane goes on: the report says what was lost.
 */
export function createSendLanes(options: {
  readonly producer: Pick<KafkaProducer, 'send'>;
  readonly onAcknowledged: (records: readonly LaneRecord[]) => void;
  readonly onFailed: (records: readonly LaneRecord[], error: unknown) => void;
}): SendLanes {
  const waiting = new Map<string, LaneRecord[]>();
  const running = new Map<string, Promise<void>>();
  let outstanding = 0;
  let broken: unknown;
  const sendAll = async (topic: string) => {
    for (;;) {
      const batch = waiting.get(topic)?.splice(0, MAX_SEND) ?? [];
      if (batch.length === 0) {
        running.delete(topic); // in the same turn as the look at the queue: no offer falls between
        return;
      }
      await sendBatch(options, topic, batch);
      outstanding -= batch.length;
    }
  };
  const start = async (topic: string) => {
    try {
      await sendAll(topic);
    } catch (error) {
      broken = error;
      running.delete(topic);
    }
  };
  return {
    offer: (record) => {
      outstanding += 1;
      const queue = waiting.get(record.topic);
      if (queue === undefined) waiting.set(record.topic, [record]);
      else queue.push(record);
      // Started a microtask later, so that all records of one tick travel together.
      if (!running.has(record.topic))
        running.set(
          record.topic,
          Promise.resolve().then(() => start(record.topic)),
        );
    },
    get outstanding() {
      return outstanding;
    },
    drained: async () => {
      while (running.size > 0) await Promise.all(running.values());
    },
    get broken() {
      return broken;
    },
  };
}

// === Helpers ===

async function sendBatch(
  { producer, onAcknowledged, onFailed }: Parameters<typeof createSendLanes>[0],
  topic: string,
  batch: readonly LaneRecord[],
): Promise<void> {
  try {
    await producer.send(
      topic,
      batch.map(({ record }) => record),
    );
  } catch (error) {
    if (!isFault(error, 'KAFKA_UNAVAILABLE')) throw error;
    onFailed(batch, error);
    return;
  }
  onAcknowledged(batch);
}
