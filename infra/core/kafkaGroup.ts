import type { Logger } from './ports.ts';

/** What a member of a consumer group sees and may do; `kafka.ts` implements it. */

export type KafkaHeaders = Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>;

export interface KafkaRecord {
  readonly offset: string;
  /** Milliseconds as text; the broker's on topics with LogAppendTime, else the producer's, -1 when missing. */
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: KafkaHeaders | undefined;
}

export interface FetchedBatch {
  readonly topic: string;
  readonly partition: number;
  /** Where this fetch started: not the first record's offset when the log has gaps. */
  readonly fetchedOffset: number;
  /** Where the next fetch starts; records that a reader may not see (markers, aborted ones) are below it. */
  readonly nextOffset: number;
  readonly highWatermark: number;
  readonly records: readonly KafkaRecord[];
}

export type Assignment = ReadonlyMap<string, readonly number[]>;

export interface GroupHandlers {
  /** The group has (re)assigned partitions; fetches of the old assignment may still arrive. Must not throw. */
  onAssigned(assignment: Assignment): void;
  /** Batches come one by one. True: the fetch goes on behind the batch; false: it was dropped, a seek follows. */
  onBatch(batch: FetchedBatch, heartbeat: () => Promise<void>): Promise<boolean>;
  /** Only markers or aborted records in [firstOffset, nextOffset). */
  onNothingVisible(range: {
    topic: string;
    partition: number;
    firstOffset: number;
    nextOffset: number;
  }): void;
  /** The client gave up, or a handler threw: nothing useful comes any more. May be called again. */
  onCrash(error: unknown): void;
}

export interface GroupConsumer extends AsyncDisposable {
  /** Joins, and resolves when it has joined; the handlers are called from then on. @throws KAFKA_UNAVAILABLE */
  run(handlers: GroupHandlers): Promise<void>;
  seek(topic: string, partition: number, offset: number): void;
  /** For lag tools; nothing of Tidemark reads it back. */
  commitOffsets(offsets: readonly { topic: string; partition: number; offset: number }[]): Promise<void>;
}

export interface GroupOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly log: Logger;
  readonly maxBytesPerPartition?: number;
  /** The broker forgets the group when the consumer leaves. */
  readonly temporary?: boolean;
}
