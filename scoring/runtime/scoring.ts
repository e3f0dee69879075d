import { ensureTopics, type KafkaProducer, openTopicReader } from '../../infra/core/kafka.ts';
import { type GroupConsumer, type GroupHandlers, openGroup } from '../../infra/core/kafkaGroup.ts';
import { openLeanProducer } from '../../infra/core/kafkaLeanProducer.ts';
import { openTopicIdReader } from '../../infra/core/kafkaTopicIds.ts';
import type { Clock, Logger } from '../../infra/core/ports.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { topicSpecs } from '../../ingestion/landing.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { createCounters } from '../counters.ts';
import { createDecider } from '../decider.ts';
import type { Registry } from '../registry.ts';
import type { Policy } from '../scoringContent.ts';
import { BatchLoop } from './batchLoop.ts';
import { type HeldGold, undecidedSince } from './heldGold.ts';
import { IdentityGuard } from './identityGuard.ts';
import { Intake } from './intake.ts';
import { ModelWatch } from './modelWatch.ts';
import { expectedTopics, type OpenTopics, openTopics } from './openTopics.ts';
import { ScoreQueue } from './scoreQueue.ts';
import { readTopicsNow, type ScoredSource } from './sources.ts';
import { planTakeUp } from './takeUp.ts';
import { Totals } from './totals.ts';
import { keepUp, tellOffsets, type UpkeepParts } from './upkeep.ts';

export interface ScoringDeps {
  readonly lake: Lake;
  readonly sources: readonly ScoredSource[];
  /** Contract of the topic of decisions: the one that `answers`. */
  readonly decisions: Contract;
  readonly policy: Policy;
  readonly registry: Pick<Registry, 'aliases' | 'load'>;
  /** Its view is that of the sources. */
  readonly gold: HeldGold;
  readonly kafka: { readonly brokers: readonly string[]; readonly cluster: string; readonly groupId: string };
  readonly limits: ScoringLimits;
  readonly log: Logger;
}

export interface ScoringLimits {
  readonly maxBatch: number;
  readonly maxWaitMs: number;
  /** From receive to the model's answer; later it is a review. */
  readonly deadlineMs: number;
  /** Bytes of records that wait in memory; over it Kafka is not read. */
  readonly queueBytes: number;
  /** How often models and gold values are looked at. */
  readonly pollMs: number;
}

/**
 * Decides every record of the sources until the signal, each into the partition of the same number of the
 * topic of decisions, in order. Any number of processes may do so in one group. Returns when the batch that
 * was under way is published. @throws LANDING_* when going on would decide records that are not the topic's,
 * SCORING_PARTITIONS, CONTRACT_OUTDATED, KAFKA_UNAVAILABLE
 */
export async function runScoring(deps: ScoringDeps, { signal }: { signal: AbortSignal }): Promise<void> {
  const { kafka, log, lake, sources, decisions } = deps;
  const { brokers, cluster } = kafka;
  const contracts = [...sources.map(({ contract }) => contract), decisions];
  await ensureTopics(brokers, contracts.flatMap(topicSpecs));
  await using stack = new AsyncDisposableStack();
  const clientId = `tidemark-score-${process.pid}`;
  const reader = stack.use(await openTopicReader(brokers));
  const ids = stack.use(openTopicIdReader({ brokers, clientId }));
  const producer = stack.use(openLeanProducer({ brokers, clientId }));
  const topics = sources.map(({ contract }) => contract.topic);
  const group = stack.use(openGroup({ ...kafka, clientId, topics, log }));
  const opened = await openTopics(lake, reader, { sources, decisions, cluster });
  const guard = new IdentityGuard(ids, expectedTopics(opened));
  const failed = new AbortController();
  const failure = Promise.withResolvers<never>();
  const onFailure = (error: unknown) => {
    failure.reject(error);
    failed.abort();
  };
  const brain = openBrain(deps);
  const models = stack.use(brain.models);
  await models.poll();
  const connections = { opened, reader, producer, group, guard, onFailure, ended: signal };
  const running = wire(deps, { ...connections, ...brain });
  await Promise.race([failure.promise, runUntil(running, { signal, failed: failed.signal, onFailure })]);
}

// === Helpers ===

/** What decides, without a model yet. */
function openBrain({ lake, log, limits, policy, sources, registry }: ScoringDeps) {
  const counters = createCounters();
  const { clock } = lake;
  const decider = createDecider({ policy, clock, counters, log, limits });
  const models = new ModelWatch({ registry, decider, sets: sources.map(({ set }) => set), clock, log });
  return { decider, models, totals: new Totals(counters) };
}

interface Wiring extends ReturnType<typeof openBrain> {
  readonly opened: OpenTopics;
  readonly reader: Awaited<ReturnType<typeof openTopicReader>>;
  readonly producer: KafkaProducer;
  readonly group: GroupConsumer;
  readonly guard: IdentityGuard;
  readonly onFailure: (error: unknown) => void;
  readonly ended: AbortSignal;
}

interface Running {
  readonly intake: Intake;
  readonly loop: BatchLoop;
  readonly group: GroupConsumer;
  readonly upkeep: UpkeepParts;
}

function wire(deps: ScoringDeps, wiring: Wiring): Running {
  const { lake, log, kafka, limits } = deps;
  const { opened, reader, producer, group, guard, decider, models, totals, onFailure } = wiring;
  const { clock, crashPoint } = lake;
  const queue = new ScoreQueue();
  const { topic } = deps.decisions;
  const loop = new BatchLoop({ queue, guard, decider, producer, topic, limits, totals, clock, crashPoint });
  const tail = { brokers: kafka.brokers, log, signal: wiring.ended };
  const intake = new Intake({
    ...{ lake, log, queue, guard, group, onFailure },
    ...{ sources: opened.sources, queueBytes: limits.queueBytes, settled: () => loop.settled() },
    plan: async (assigned) => {
      const now = await readTopicsNow(lake, reader, { topics: opened.all, cluster: kafka.cluster });
      const planned = await planTakeUp({ lake, ...opened, tail }, now, assigned);
      await deps.gold.holdFrom(await undecidedSince(reader, planned, clock.nowMs()));
      return planned;
    },
  });
  const upkeep = {
    ...{ intake, sources: opened.sources, reader, group, totals, clock, log, pollMs: limits.pollMs },
    poll: async (caughtUpAtMs: () => number | undefined) => {
      await models.poll();
      await deps.gold.refresh(caughtUpAtMs());
    },
    fields: () => {
      const { keys } = intake;
      return { waiting: queue.size, keys, goldBytes: deps.gold.bytes, model: models.version };
    },
  };
  return { intake, loop, group, upkeep };
}

async function runUntil(
  { intake, loop, group, upkeep }: Running,
  ends: {
    readonly signal: AbortSignal;
    readonly failed: AbortSignal;
    readonly onFailure: (error: unknown) => void;
  },
): Promise<void> {
  const ended = AbortSignal.any([ends.signal, ends.failed]);
  ended.addEventListener('abort', () => intake.end(), { once: true });
  await group.run(handlersOf(intake, { ended, clock: upkeep.clock, onCrash: ends.onFailure }));
  keepUp(upkeep, ended).catch(ends.onFailure);
  try {
    await loop.run(ended);
  } catch (error) {
    // Whoever waits for room in the queue would wait for ever.
    ends.onFailure(error);
    throw error;
  }
  await tellOffsets(upkeep);
  upkeep.totals.report(upkeep.log, upkeep.fields());
}

/** How long a fetch that nobody takes any more is held back, in milliseconds. */
const ENDING_MS = 200;

function handlersOf(
  intake: Intake,
  ends: { readonly ended: AbortSignal; readonly clock: Clock; readonly onCrash: (error: unknown) => void },
): GroupHandlers {
  return {
    onAssigned: (assignment) => intake.assign(assignment),
    onBatch: async (batch, heartbeat) => {
      if (!ends.ended.aborted) return await intake.accept(batch, heartbeat);
      // Staying in the group until the last batch is published spares the others a rebalance.
      await ends.clock.sleep(ENDING_MS);
      await heartbeat();
      return false;
    },
    onNothingVisible: (range) => intake.skip(range),
    onCrash: ends.onCrash,
  };
}
