import { isFault } from '../../infra/core/errorCatalog.ts';
import type { TidemarkError } from '../../infra/core/errors.ts';
import type { TopicReader, TopicState } from '../../infra/core/kafka.ts';
import type { FetchedBatch, GroupConsumer } from '../../infra/core/kafkaGroup.ts';
import type { Clock, CrashPoint, Logger } from '../../infra/core/ports.ts';
import type { Postgres } from '../../infra/core/postgres.ts';
import type { Decoder } from '../../ingestion/decoder.ts';
import { applyDecisions, type PartitionBatch } from './applyDecisions.ts';
import { readDecision, type SeenDecision } from './decisionRecords.ts';
import { type DecisionsTopic, findTopicFault, openProgress } from './progress.ts';

export interface DecisionLaneDeps {
  readonly decisions: DecisionsTopic;
  readonly decoder: Decoder;
  readonly postgres: Postgres;
  readonly topics: TopicReader;
  readonly group: Pick<GroupConsumer, 'seek'>;
  readonly windowMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly crashPoint: CrashPoint;
  /** Once aborted, nothing waits for Kafka any more. */
  readonly stop: AbortSignal;
  /** What was pending is lost to this lane, and must be read again by another one. */
  readonly onFailure: (error: unknown) => void;
}

/** Records that are applied in one transaction, about; as many again may wait meanwhile. */
const MAX_PENDING = 2_000;
/** Between two tries to reach Kafka, in milliseconds. */
const KAFKA_AWAY_MS = 1_000;
const HEARTBEAT_MS = 1_500;

/**
 * The way of decisions from fetches into PostgreSQL. Memory holds what waits for one transaction; what
 * was not committed is read again.
 *
 *   fetched batch → (position?) → pending by partition → guard → one transaction
 */
export class DecisionLane {
  /** Accepted fetches, for those who watch whether anything moves. */
  accepted = 0;
  readonly #deps: DecisionLaneDeps;
  /** Next offset to accept, of the assigned partitions; to be read again while it is stale. */
  #positions = new Map<number, number>();
  #assigned: readonly number[] = [];
  #generation = 0;
  #isStale = true;
  #isClosed = false;
  #pending = new Map<number, PendingBatch>();
  #pendingRecords = 0;
  #isFlushing = false;
  #flushing: Promise<void> = Promise.resolve();

  constructor(deps: DecisionLaneDeps) {
    this.#deps = deps;
  }

  /** Of the partitions that are ours, as far as that is known. */
  get positions(): ReadonlyMap<number, number> {
    return this.#isStale ? new Map() : this.#positions;
  }

  get isBusy(): boolean {
    return this.#isFlushing || this.#pendingRecords > 0;
  }

  /** These partitions are ours from now on, from where PostgreSQL says. */
  assign(partitions: readonly number[]): void {
    this.#generation += 1;
    this.#assigned = partitions;
    this.#isStale = true;
  }

  /** Takes a fetch if it starts where we are; else seeks there. False: it was dropped. */
  async accept(batch: FetchedBatch, heartbeat: () => Promise<void>): Promise<boolean> {
    const mustWait = this.#isStale || this.#pendingRecords >= MAX_PENDING;
    if (mustWait) await this.#holdOn(this.flush(), heartbeat);
    const position = this.#positions.get(batch.partition);
    if (position === undefined || this.#isStale || this.#isClosed) return false;
    if (batch.fetchedOffset !== position) {
      this.#deps.group.seek(batch.topic, batch.partition, position);
      return false;
    }
    this.#take(batch, position);
    return true;
  }

  /** Markers and aborted records: the position moves over them. */
  skip(range: {
    readonly partition: number;
    readonly firstOffset: number;
    readonly nextOffset: number;
  }): void {
    if (this.#isStale || this.#positions.get(range.partition) !== range.firstOffset) return;
    this.#pendingOf(range.partition, range.firstOffset).next = range.nextOffset;
    this.#positions.set(range.partition, range.nextOffset);
  }

  /** Applies what is pending, then reads stale positions; calls at once are done one after the other. */
  flush(): Promise<void> {
    const flushed = this.#flushing.then(async () => {
      await this.#flushPending();
      if (this.#isStale) await this.#readPositions();
    });
    this.#flushing = flushed.catch(this.#deps.onFailure);
    return flushed;
  }

  /** Nothing is accepted any more; what is not committed will be read again. */
  close(): void {
    this.#isClosed = true;
  }

  // === Helpers ===

  /** hot path */
  #take({ partition, records, nextOffset }: FetchedBatch, position: number): void {
    const pending = this.#pendingOf(partition, position);
    let strangers = 0;
    for (const record of records) {
      const seen = readDecision(record, partition, this.#deps.decoder);
      if (seen === undefined) strangers += 1;
      else pending.seen.push(seen);
    }
    if (strangers > 0) {
      this.#deps.log.warn({ partition, from: position, records: strangers }, 'records are no decisions');
    }
    pending.next = nextOffset;
    this.#pendingRecords += records.length;
    this.#positions.set(partition, nextOffset);
    this.accepted += 1;
  }

  #pendingOf(partition: number, from: number): PendingBatch {
    const before = this.#pending.get(partition);
    if (before !== undefined) return before;
    const fresh = { partition, from, next: from, seen: [] };
    this.#pending.set(partition, fresh);
    return fresh;
  }

  async #readPositions(): Promise<void> {
    const generation = this.#generation;
    const { postgres, topics, decisions } = this.#deps;
    const [state] = await topics.read([decisions.topic]);
    const problem = findTopicFault(decisions, state, new Map());
    if (problem !== undefined || state === undefined) throw problem;
    const progress = await openProgress(postgres, state, decisions.table);
    if (generation !== this.#generation) return;
    this.#positions = new Map([...progress].filter(([partition]) => this.#assigned.includes(partition)));
    this.#isStale = false;
  }

  async #flushPending(): Promise<void> {
    if (this.#pending.size === 0) return;
    const partitions = [...this.#pending.values()];
    const records = this.#pendingRecords;
    this.#pending = new Map();
    this.#pendingRecords = 0;
    this.#isFlushing = true;
    try {
      await this.#apply(partitions, records);
    } finally {
      this.#isFlushing = false;
    }
  }

  async #apply(partitions: readonly PendingBatch[], records: number): Promise<void> {
    const ends = new Map(partitions.map(({ partition, next }) => [partition, next]));
    if (!(await this.#isGuarded(ends)) || this.#isClosed) return;
    const { postgres, decisions, windowMs, crashPoint, log } = this.#deps;
    const { topic, topicId } = decisions;
    const applied = await applyDecisions(postgres, { topic, topicId, partitions, windowMs, crashPoint });
    for (const [partition, next] of applied.moved) this.#follow(partition, next);
    const { alerting, repeats, moved } = applied;
    log.debug({ records, alerting, repeats, moved: moved.size }, 'decisions applied');
  }

  /** Somebody else has read the partition: we go on where they were. */
  #follow(partition: number, next: number): void {
    const { group, decisions, log } = this.#deps;
    log.info({ partition, next }, 'another consumer moved the partition');
    this.#pending.delete(partition);
    this.#positions.set(partition, next);
    group.seek(decisions.topic, partition, next);
  }

  /** What was fetched is of the topic that we know. While no broker answers, it waits; false: no more. */
  async #isGuarded(positions: ReadonlyMap<number, number>): Promise<boolean> {
    const { topics, decisions, clock, log, stop } = this.#deps;
    for (;;) {
      try {
        const [state] = await topics.read([decisions.topic]);
        const problem = findEndFault(decisions, state, positions);
        if (problem !== undefined) throw problem;
        return true;
      } catch (error) {
        if (!isFault(error, 'KAFKA_UNAVAILABLE')) throw error;
        if (stop.aborted) return false;
        log.warn({ err: error }, 'Kafka does not answer; decisions wait');
        await clock.sleep(KAFKA_AWAY_MS);
      }
    }
  }

  async #holdOn(work: Promise<void>, heartbeat: () => Promise<void>): Promise<void> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      await Promise.race([done, this.#deps.clock.sleep(HEARTBEAT_MS)]);
      await heartbeat();
    }
    await done;
  }
}

interface PendingBatch extends PartitionBatch {
  next: number;
  readonly seen: SeenDecision[];
}

/** Retention may delete below what was fetched; it cannot make the log end before it. */
function findEndFault(
  decisions: DecisionsTopic,
  state: TopicState | undefined,
  positions: ReadonlyMap<number, number>,
): TidemarkError | undefined {
  const partitions = (state?.partitions ?? []).map((one) => ({ ...one, logStart: 0 }));
  return findTopicFault(decisions, state && { ...state, partitions }, positions);
}
