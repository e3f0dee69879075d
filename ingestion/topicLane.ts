import type { SqlSession } from '../infra/core/duckdb.ts';
import { isFault } from '../infra/core/errorCatalog.ts';
import type { KafkaProducer, TopicReader } from '../infra/core/kafka.ts';
import type { FetchedBatch, GroupConsumer } from '../infra/core/kafkaGroup.ts';
import type { Clock, CrashPoint, Logger } from '../infra/core/ports.ts';
import type { AddFile } from '../lakehouse/actions.ts';
import type { LakeTable } from '../lakehouse/table.ts';
import { BronzeBatch } from './bronzeBatch.ts';
import { commitBatch, stageBatch } from './bronzeTable.ts';
import type { Contract } from './contract.ts';
import { sendDeadLetters } from './deadLetter.ts';
import type { Decoder } from './decoder.ts';
import { type FlushLimits, shouldFlush } from './flushPolicy.ts';
import { landedProgress } from './progress.ts';
import { findIncarnationFault, findTopicFault, type TopicExpectation } from './topicGuard.ts';

export interface LaneDeps {
  readonly contract: Contract;
  readonly decoder: Decoder;
  readonly table: LakeTable;
  readonly cluster: string;
  /** The incarnation that is landed; another one is refused. */
  readonly topicId: string;
  readonly topics: TopicReader;
  readonly producer: KafkaProducer;
  readonly group: Pick<GroupConsumer, 'seek' | 'commitOffsets'>;
  /** Runs one staging at a time in the process: DuckDB's memory is shared. */
  readonly withSession: <T>(use: (session: SqlSession) => Promise<T>) => Promise<T>;
  readonly limits: FlushLimits;
  readonly scratchDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly crashPoint: CrashPoint;
  /** The lane can't go on; the process has to end. */
  readonly onFailure: (error: unknown) => void;
}

interface SealedBatch {
  readonly batch: BronzeBatch;
  readonly generation: number;
}

/** Batches that wait for the flusher before reading pauses. */
const MAX_WAITING = 2;

/**
 * One topic on its way into its bronze table: the one buffer and the one flusher of the table in this
 * process. An assignment starts a generation; what an older one has buffered is dropped, and read
 * again by whoever owns the partitions now, from the txns of the table.
 *
 *   fetched batch → (position?) → buffer → (full or old) → waiting → staged → dead letters → guard → commit
 */
export class TopicLane {
  readonly topic: string;
  /** Accepted fetches, for those who watch whether anything moves. */
  accepted = 0;
  readonly #deps: LaneDeps;
  #isClosed = false;
  #isDraining = false;
  #generation = 0;
  #ready: Promise<void> = Promise.resolve();
  /** Next offset to accept, of the assigned partitions. */
  readonly #positions = new Map<number, number>();
  /** The txn that the next batch starts from. */
  readonly #expected = new Map<number, number | undefined>();
  #current: BronzeBatch | undefined;
  readonly #waiting: SealedBatch[] = [];
  #inHand: SealedBatch | undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(deps: LaneDeps) {
    this.topic = deps.contract.topic;
    this.#deps = deps;
  }

  /** Bytes that are buffered and not yet committed. */
  get bytes(): number {
    const batches = [this.#current, this.#inHand?.batch, ...this.#waiting.map(({ batch }) => batch)];
    return batches.reduce((sum, batch) => sum + (batch?.bytes ?? 0), 0);
  }

  /** Whether reading has to wait for the flusher. */
  get isFull(): boolean {
    return this.#waiting.length >= MAX_WAITING;
  }

  get expectation(): TopicExpectation {
    const { contract, topicId } = this.#deps;
    const { topic, partitions } = contract;
    return { topic, topicId, partitions, positions: new Map(this.#positions) };
  }

  /** These partitions are ours from now on, from where the table says. */
  assign(partitions: readonly number[]): void {
    this.#generation += 1;
    this.#dropBuffers();
    this.#positions.clear();
    this.#ready = this.#seekToLanded(this.#generation, partitions);
    this.#ready.catch(this.#deps.onFailure);
  }

  /** Takes a fetch if it starts where we are; else seeks there. False: it was dropped. */
  async accept(batch: FetchedBatch, heartbeat: () => Promise<void>): Promise<boolean> {
    if (this.#isEnding) return false;
    await this.#holdOn(this.#ready, heartbeat);
    const generation = this.#generation;
    const position = this.#positions.get(batch.partition);
    if (position === undefined) return false;
    if (batch.fetchedOffset !== position) {
      this.#deps.group.seek(batch.topic, batch.partition, position);
      return false;
    }
    while (this.isFull && !this.#isClosed) await this.#holdOn(this.#flushing, heartbeat);
    if (generation !== this.#generation || this.#isEnding) return false;
    this.#take(batch, position);
    return true;
  }

  /** Markers and aborted records: nothing to land, but the position moves over them. */
  skip(range: {
    readonly partition: number;
    readonly firstOffset: number;
    readonly nextOffset: number;
  }): void {
    if (this.#positions.get(range.partition) !== range.firstOffset) return;
    this.#advance(this.#buffer(), { ...range, from: range.firstOffset, fetched: 0, good: 0 });
  }

  /** Flushes what has waited long enough. */
  tick(): void {
    const { limits, clock } = this.#deps;
    if (this.#current !== undefined && !this.isFull && shouldFlush(this.#current, limits, clock.nowMs())) {
      this.seal();
    }
  }

  /** Hands the buffer to the flusher, however small. */
  seal(): void {
    const batch = this.#current;
    if (batch === undefined) return;
    this.#current = undefined;
    for (const [partition, { to }] of batch.ranges) this.#expected.set(partition, to);
    this.#waiting.push({ batch, generation: this.#generation });
    if (this.#inHand === undefined) this.#flushing = this.#flushWaiting();
  }

  /** Commits all that was accepted; nothing is accepted any more. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    await this.#ready;
    this.seal();
    while (this.#inHand !== undefined || this.#waiting.length > 0) await this.#flushing;
  }

  /** Drops what is not committed: somebody else will read it again. */
  close(): void {
    this.#isClosed = true;
    this.#generation += 1;
    this.#dropBuffers();
  }

  // === Helpers ===

  get #isEnding(): boolean {
    return this.#isClosed || this.#isDraining;
  }

  /** hot path */
  #take({ partition, records, nextOffset }: FetchedBatch, position: number): void {
    const buffer = this.#buffer();
    let good = 0;
    for (const { offset, timestamp, key, value, headers } of records) {
      const record = {
        partition,
        offset: Number(offset),
        arrivedAtMs: Number(timestamp),
        key,
        value,
        headers,
      };
      if (buffer.add(record)) good += 1;
    }
    this.#advance(buffer, { partition, from: position, nextOffset, fetched: records.length, good });
    this.accepted += 1;
    this.tick();
  }

  #buffer(): BronzeBatch {
    const { contract, decoder, scratchDir, clock } = this.#deps;
    const { answers } = contract;
    this.#current ??= new BronzeBatch({ decoder, scratchDir, startedMs: clock.nowMs(), answers });
    return this.#current;
  }

  #advance(
    buffer: BronzeBatch,
    step: { partition: number; from: number; nextOffset: number; fetched: number; good: number },
  ): void {
    const { partition, from, nextOffset, fetched, good } = step;
    const expected = this.#expected.get(partition);
    buffer.advance(partition, { expected, from, to: nextOffset, fetched, good, bad: fetched - good });
    this.#positions.set(partition, nextOffset);
  }

  async #seekToLanded(generation: number, partitions: readonly number[]): Promise<void> {
    const { contract, table, topics, topicId, cluster, group } = this.#deps;
    // A commit that is under way moves the txns that we are about to read.
    await this.#flushing;
    const { topic } = contract;
    // The log last: it reaches at least as far as what somebody has landed of it.
    const snapshot = await table.snapshot();
    const states = await topics.read([topic]);
    if (generation !== this.#generation) return;
    const landed = landedProgress(snapshot, { tableId: table.id, cluster, topic });
    const state = states[0];
    const next = landed.get(topicId);
    for (const partition of partitions) {
      const start = state?.partitions.find((p) => p.partition === partition)?.logStart ?? 0;
      this.#expected.set(partition, next?.get(partition));
      this.#positions.set(partition, next?.get(partition) ?? start);
    }
    const problem = findTopicFault(this.expectation, state) ?? (state && findIncarnationFault(state, landed));
    if (problem !== undefined) throw problem;
    for (const [partition, offset] of this.#positions) group.seek(topic, partition, offset);
  }

  /** Waits without leaving the group. The heartbeat throws when the group rebalances. */
  async #holdOn(event: Promise<void>, heartbeat: () => Promise<void>): Promise<void> {
    let isOver = false;
    const over = event.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await Promise.race([over, this.#deps.clock.sleep(500)]);
      await heartbeat();
    }
  }

  #dropBuffers(): void {
    this.#current?.[Symbol.dispose]();
    this.#current = undefined;
    for (const { batch } of this.#waiting) batch[Symbol.dispose]();
    this.#waiting.length = 0;
  }

  async #flushWaiting(): Promise<void> {
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        this.#inHand = next;
        using batch = next.batch;
        await this.#flush(batch, next.generation);
      }
    } catch (error) {
      this.close();
      this.#deps.onFailure(error);
    } finally {
      this.#inHand = undefined;
    }
  }

  /** Order of effects, and what a crash between them leaves. */
  async #flush(batch: BronzeBatch, generation: number): Promise<void> {
    const { contract, table, topicId, withSession, producer, clock, crashPoint } = this.#deps;
    crashPoint('after-fetch');
    // 1 Data files. A crash leaves orphans, which no reader sees.
    const startedMs = clock.nowMs();
    const source = { topicId, ingestedAtMs: startedMs };
    const adds = await withSession((session) => stageBatch({ table, contract, session }, batch, source));
    // 2 Copies of bad records. A crash repeats them: they are keyed by identity.
    crashPoint('before-dlq-send');
    await sendDeadLetters(producer, batch.deadLetters, { topic: this.topic, topicId });
    crashPoint('after-dlq-send');
    if (generation !== this.#generation) return;
    // 3 Are these offsets still those of the topic that we think it is?
    const problem = await this.#identityFault(batch);
    if (problem !== undefined) throw problem;
    // 4 COMMIT POINT, in the lake: rows and offsets. Before it nothing has landed, after it all has.
    await this.#commit(batch, adds, { generation, startedMs });
  }

  /** What retention took meanwhile does not matter here: the records of the batch are in our hands. */
  async #identityFault(batch: BronzeBatch) {
    const [state] = await this.#deps.topics.read([this.topic]);
    const positions = new Map([...batch.ranges].map(([partition, { to }]) => [partition, to]));
    const problem = findTopicFault({ ...this.expectation, positions }, state);
    return isFault(problem, 'LANDING_RETENTION_OVERTOOK') ? undefined : problem;
  }

  async #commit(
    batch: BronzeBatch,
    adds: readonly AddFile[],
    flush: { readonly generation: number; readonly startedMs: number },
  ): Promise<void> {
    const { contract, table, cluster, topicId, clock, log, crashPoint } = this.#deps;
    const { ranges, answered, rows, bytes, deadLetters } = batch;
    const parts = { adds, ranges, answered: answered.next };
    const result = await commitBatch({ table, contract }, parts, { cluster, topicId });
    const fields = { topic: this.topic, rows, bytes, bad: deadLetters.length, files: adds.length };
    if (result.kind === 'conflict') {
      const { reason, winner } = result;
      log.warn({ ...fields, reason, winner }, 'another process landed these partitions; reading again');
      if (flush.generation === this.#generation) this.assign([...this.#positions.keys()]);
      return;
    }
    crashPoint('after-lake-commit');
    // 5 The group's offsets only feed lag tools: a crash before them costs nothing.
    await this.#reportOffsets(ranges);
    crashPoint('after-offset-commit');
    log.info({ ...fields, version: result.version, ms: clock.nowMs() - flush.startedMs }, 'landed');
  }

  async #reportOffsets(ranges: BronzeBatch['ranges']): Promise<void> {
    const offsets = [...ranges].map(([partition, { to }]) => ({ topic: this.topic, partition, offset: to }));
    try {
      await this.#deps.group.commitOffsets(offsets);
    } catch (error) {
      this.#deps.log.debug({ topic: this.topic, err: error }, 'the group does not take our offsets');
    }
  }
}
