import type { Assignment, FetchedBatch, GroupConsumer, KafkaRecord } from '../../infra/core/kafkaGroup.ts';
import { partitionName } from '../../ingestion/partitionIdentity.ts';
import type { IdentityGuard } from './identityGuard.ts';
import type { OwnedPartition } from './ownedPartition.ts';
import { queueFromBronze, type RestoreParts, restorePartitions } from './restore.ts';
import { ITEM_BYTES } from './scoreQueue.ts';
import type { OpenSource } from './sources.ts';
import type { SourcePlan } from './takeUp.ts';

export interface IntakeParts extends RestoreParts {
  readonly sources: readonly OpenSource[];
  readonly guard: IdentityGuard;
  readonly group: Pick<GroupConsumer, 'seek'>;
  /** Resolves when no batch is under way. */
  readonly settled: () => Promise<void>;
  /** Where assigned partitions go on, see `planTakeUp`. */
  readonly plan: (assigned: ReadonlyMap<OpenSource, readonly number[]>) => Promise<SourcePlan[]>;
  readonly onFailure: (error: unknown) => void;
}

/**
 * From Kafka to the queue. An assignment starts a generation: what an older one has queued is dropped, the
 * windows of its partitions are restored, and Kafka is read from where the published decisions say.
 */
export class Intake {
  /** What is decided here now, by `partitionName`. */
  readonly owned = new Map<string, OwnedPartition>();
  readonly #parts: IntakeParts;
  /** What others took from us: of use when it comes back before anybody has gone on with it. */
  readonly #parked = new Map<string, { readonly partition: OwnedPartition; readonly parkedAtMs: number }>();
  /** Sources whose first live record of all has not come: their windows are restored when it does. */
  readonly #waiting = new Map<OpenSource, SourcePlan>();
  readonly #accepted = new Map<string, number>();
  #assignment: Assignment = new Map();
  #generation = 0;
  #ready: Promise<void> = Promise.resolve();
  #isReady = true;
  #isEnding = false;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** Whether all that was assigned is taken up. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Whether somebody is at work: windows are restored, or records wait for their batch. */
  get isBusy(): boolean {
    return !this.#isReady || this.#parts.queue.size > 0;
  }

  /** Keys that the windows hold. */
  get keys(): number {
    return [...this.owned.values()].reduce((sum, { lane }) => sum + lane.keys, 0);
  }

  /** Partitions of others whose windows are still here. */
  get parked(): number {
    return this.#parked.size;
  }

  /** Rises with each assignment. */
  get generation(): number {
    return this.#generation;
  }

  /** Fetches taken of a topic so far. */
  accepted(topic: string): number {
    return this.#accepted.get(topic) ?? 0;
  }

  /** These partitions are ours from now on, from where the published decisions say. */
  assign(assignment: Assignment): void {
    this.#generation += 1;
    this.#assignment = assignment;
    this.#parts.queue.clear();
    const parkedAtMs = this.#parts.lake.clock.nowMs();
    for (const [name, partition] of this.owned) this.#parked.set(name, { partition, parkedAtMs });
    this.owned.clear();
    this.#waiting.clear();
    // One at a time: the one before sees that its generation is over.
    this.#getReady((generation) => this.#takeUp(generation, assignment));
  }

  /** The same partitions once more, since Kafka has no more what comes next. */
  takeUpAgain(): void {
    this.assign(this.#assignment);
  }

  /** Gives up windows that have not come back for so long that somebody has surely gone on with them. */
  forgetParked(): void {
    const beforeMs = this.#parts.lake.clock.nowMs() - PARKED_MS;
    for (const [name, { parkedAtMs }] of this.#parked) if (parkedAtMs < beforeMs) this.#parked.delete(name);
  }

  /** Queues a fetch if it starts where we are; else seeks there. False: it was dropped. */
  async accept(batch: FetchedBatch, heartbeat: () => Promise<void>): Promise<boolean> {
    const { lake, queue, queueBytes, group } = this.#parts;
    await this.#holdOnUntilReady(heartbeat);
    this.#startWaiting(batch);
    await this.#holdOnUntilReady(heartbeat);
    const generation = this.#generation;
    const owner = this.#ownerOf(batch);
    if (owner === undefined || this.#isEnding) return false;
    if (batch.fetchedOffset !== owner.taken) {
      group.seek(batch.topic, batch.partition, owner.taken);
      return false;
    }
    const receivedAtMs = lake.clock.nowMs();
    await this.#holdOn(queue.below(queueBytes), heartbeat);
    if (generation !== this.#generation || this.#isEnding) return false;
    this.#take(owner, batch, receivedAtMs);
    return true;
  }

  /** Markers and aborted records: nothing to decide, but the position moves over them. */
  skip(range: {
    readonly topic: string;
    readonly partition: number;
    readonly firstOffset: number;
    readonly nextOffset: number;
  }): void {
    const owner = this.#ownerOf(range);
    if (owner?.taken === range.firstOffset) owner.taken = range.nextOffset;
  }

  /** Nothing is taken any more; what waits is left to others. */
  end(): void {
    this.#isEnding = true;
    this.#generation += 1;
    this.#parts.queue.clear();
  }

  // === Helpers ===

  #ownerOf({ topic, partition }: { readonly topic: string; readonly partition: number }) {
    const source = this.#parts.sources.find(({ contract }) => contract.topic === topic);
    return source && this.owned.get(partitionName({ topic, topicId: source.topicId, partition }));
  }

  /** hot path */
  #take(owner: OwnedPartition, { topic, records, nextOffset }: FetchedBatch, receivedAtMs: number): void {
    const { queue, guard } = this.#parts;
    const { lane, plan } = owner;
    guard.fetches += 1;
    const fetch = guard.fetches;
    for (const fetched of records) {
      const offset = Number(fetched.offset);
      const arrivedAtMs = Number(fetched.timestamp);
      const record = { key: fetched.key, value: fetched.value, arrivedAtMs };
      if (offset < plan.position) {
        lane.fold(record);
        owner.folded = offset + 1;
      } else {
        queue.push({ lane, offset, record, receivedAtMs, owner, arrivedAtMs, bytes: sizeOf(fetched), fetch });
      }
    }
    owner.taken = nextOffset;
    this.#accepted.set(topic, this.accepted(topic) + 1);
  }

  #getReady(work: (generation: number) => Promise<void>): void {
    const generation = this.#generation;
    this.#isReady = false;
    const ready = this.#ready.then(async () => {
      if (generation === this.#generation) await work(generation);
      this.#isReady = this.#ready === ready;
    });
    this.#ready = ready;
    ready.catch(this.#parts.onFailure);
  }

  async #takeUp(generation: number, assignment: Assignment): Promise<void> {
    const { lake, sources, settled, plan, log } = this.#parts;
    const startedMs = lake.clock.nowMs();
    // A batch that is under way moves the positions that are about to be read.
    await settled();
    const numbers = ({ contract }: OpenSource) => assignment.get(contract.topic) ?? [];
    const planned = await plan(new Map(sources.map((source) => [source, numbers(source)])));
    this.#forgetPassed(planned);
    for (const one of planned) {
      if (generation !== this.#generation) return;
      if (isLive(one)) await this.#restore(generation, one);
      else this.#waiting.set(one.source, one);
    }
    if (generation !== this.#generation) return;
    lake.crashPoint('after-restore');
    const partitions = planned.reduce((sum, { plans }) => sum + plans.length, 0);
    const ms = lake.clock.nowMs() - startedMs;
    // Those of topics without a record wait for the first one.
    log.info(
      { partitions, waiting: partitions - this.owned.size, keys: this.keys, ms },
      'partitions taken up',
    );
  }

  /** Somebody has gone on with these: they would only lie beside the windows that are restored. */
  #forgetPassed(planned: readonly SourcePlan[]): void {
    for (const { place, position } of planned.flatMap(({ plans }) => plans)) {
      const name = partitionName(place);
      if (this.#parked.get(name)?.partition.folded !== position) this.#parked.delete(name);
    }
  }

  /** With the first live record of all it is known which files came before it. */
  #startWaiting({ topic, records }: FetchedBatch): void {
    const [, waiting] = [...this.#waiting].find(([{ contract }]) => contract.topic === topic) ?? [];
    if (waiting === undefined) return;
    this.#waiting.delete(waiting.source);
    const firstLiveMs = Math.min(...records.map(({ timestamp }) => Number(timestamp)));
    this.#getReady((generation) => this.#restore(generation, waiting, firstLiveMs));
  }

  async #restore(generation: number, planned: SourcePlan, firstLiveMs?: number): Promise<void> {
    const { guard, group } = this.#parts;
    const isOver = () => generation !== this.#generation || this.#isEnding;
    const parked = new Map([...this.#parked].map(([name, { partition }]) => [name, partition]));
    const request = { parked, firstLiveMs, isOver };
    const partitions = await restorePartitions(this.#parts, planned, request);
    if (isOver()) return;
    for (const partition of partitions) {
      const { place } = partition.plan;
      this.#parked.delete(partitionName(place));
      this.owned.set(partitionName(place), partition);
      group.seek(place.topic, place.partition, partition.taken);
    }
    const history = { ...planned.source, snapshot: planned.now.snapshot };
    // The identity of the topics is asked again before these are decided, as after a fetch.
    guard.fetches += 1;
    const fetch = guard.fetches;
    for (const owner of partitions) {
      await queueFromBronze(this.#parts, history, { owner, fetch, isOver });
    }
  }

  /** Until no windows are being restored, those of assignments that came meanwhile neither. */
  async #holdOnUntilReady(heartbeat: () => Promise<void>): Promise<void> {
    while (!this.#isReady) await this.#holdOn(this.#ready, heartbeat);
  }

  /** Waits without leaving the group. The heartbeat throws when the group rebalances. */
  async #holdOn(event: Promise<void>, heartbeat: () => Promise<void>): Promise<void> {
    let isOver = false;
    const over = event.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await Promise.race([over, this.#parts.lake.clock.sleep(500)]);
      if (!isOver) await heartbeat();
    }
  }
}

/** How long windows of partitions that went to others are kept, in milliseconds. */
const PARKED_MS = 600_000;

function sizeOf({ key, value }: KafkaRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + ITEM_BYTES;
}

/** Whether the topic has ever had a live record. */
function isLive({ now: { state, landed } }: SourcePlan): boolean {
  return landed.size > 0 || state.partitions.some(({ logEnd }) => logEnd > 0);
}
