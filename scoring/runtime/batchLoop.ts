import type { KafkaProducer } from '../../infra/core/kafka.ts';
import type { Clock, CrashPoint } from '../../infra/core/ports.ts';
import type { Decider } from '../decider.ts';
import { type Decision, encodeDecision } from '../decision.ts';
import type { IdentityGuard } from './identityGuard.ts';
import type { QueuedItem, ScoreQueue } from './scoreQueue.ts';
import type { Totals } from './totals.ts';

export interface BatchLoopParts {
  readonly queue: ScoreQueue;
  readonly guard: IdentityGuard;
  readonly decider: Pick<Decider, 'decide'>;
  readonly producer: KafkaProducer;
  /** The topic of decisions. */
  readonly topic: string;
  readonly limits: { readonly maxBatch: number; readonly maxWaitMs: number };
  readonly totals: Totals;
  readonly clock: Clock;
  readonly crashPoint: CrashPoint;
}

/** Batches that one send may carry: a send costs a record batch for each of its partitions. */
const BATCHES_A_SEND = 4;

/**
 * From the queue to published decisions, one send after the other: what is there, or what has come
 * `maxWaitMs` after the first, inferred in batches of at most `maxBatch`. One send is in flight, so
 * decisions of a partition are in the order of its offsets whatever is repeated.
 */
export class BatchLoop {
  readonly #parts: BatchLoopParts;
  #underWay: Promise<void> = Promise.resolve();

  constructor(parts: BatchLoopParts) {
    this.#parts = parts;
  }

  /** Until the signal; a batch that is under way is finished. @throws what `decide` must not go on after */
  async run(signal: AbortSignal): Promise<void> {
    const { queue, limits } = this.#parts;
    while (!signal.aborted) {
      await queue.filled(signal);
      await this.#fill(signal);
      const items = queue.take(BATCHES_A_SEND * limits.maxBatch);
      if (items.length === 0) continue;
      this.#underWay = this.#publish(items);
      await this.#underWay;
    }
  }

  /** Resolves when no batch is under way; its failure is told by `run`. */
  async settled(): Promise<void> {
    await this.#underWay.catch(() => undefined);
  }

  // === Helpers ===

  async #fill(signal: AbortSignal): Promise<void> {
    const { queue, limits, clock } = this.#parts;
    for (;;) {
      const leftMs = limits.maxWaitMs - (clock.nowMs() - (queue.waitingSinceMs ?? Number.NEGATIVE_INFINITY));
      // More than the whole wait is left where the clock was set back: nobody waits for it to come round again.
      if (leftMs <= 0 || leftMs > limits.maxWaitMs) return;
      if (queue.size >= limits.maxBatch || signal.aborted) return;
      await clock.sleep(Math.min(leftMs, 1));
    }
  }

  /** Order of effects, and what a crash between them leaves. */
  async #publish(items: readonly QueuedItem[]): Promise<void> {
    const { guard, decider, producer, topic, limits, totals, clock, crashPoint } = this.#parts;
    // 1 Are these records still those of the topics that we think they are? Later than their last fetch.
    await guard.cover(items.at(-1)?.fetch ?? 0);
    crashPoint('before-inference');
    // 2 Windows and decisions in memory: a crash loses both, and the next start restores and repeats them.
    for (const { owner, offset, arrivedAtMs } of items) {
      owner.folded = offset + 1;
      owner.arrivedAtMs = arrivedAtMs;
    }
    const decisions: Decision[] = [];
    for (let from = 0; from < items.length; from += limits.maxBatch)
      decisions.push(...(await decider.decide(items.slice(from, from + limits.maxBatch))));
    crashPoint('after-inference');
    const records = decisions.map((decision, index) => ({
      key: decision.key,
      value: encodeDecision(decision),
      partition: items[index]?.lane.place.partition ?? 0,
    }));
    // 3 COMMIT POINT, in Kafka: what is in the topic is decided, and a restart goes on behind it. A crash
    //   with a send under way repeats at most this send, which readers drop by the high-water rule.
    const sent = producer.send(topic, records);
    crashPoint('during-produce');
    await sent;
    crashPoint('after-produce');
    const nowMs = clock.nowMs();
    for (const { owner, offset, arrivedAtMs } of items) {
      owner.published = offset + 1;
      totals.add(nowMs - arrivedAtMs);
    }
    crashPoint('after-ack');
  }
}
