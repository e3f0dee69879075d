import { fault, isFault } from '../../infra/core/errorCatalog.ts';
import { ensureTopics, openTopicReader, type TopicReader, type TopicState } from '../../infra/core/kafka.ts';
import { type GroupConsumer, openGroup } from '../../infra/core/kafkaGroup.ts';
import type { Clock, CrashPoint, Logger } from '../../infra/core/ports.ts';
import type { Postgres } from '../../infra/core/postgres.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { compileDecoder } from '../../ingestion/decoder.ts';
import { topicSpecs } from '../../ingestion/landing.ts';
import { StallWatch } from '../../ingestion/stallWatch.ts';
import { DecisionLane } from './decisionLane.ts';
import { type DecisionsTopic, findTopicFault, openProgress } from './progress.ts';

export interface AlertConsumerDeps {
  readonly postgres: Postgres;
  readonly brokers: readonly string[];
  readonly groupId: string;
  /** Of the topic of decisions. */
  readonly contract: Contract;
  readonly windowMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly crashPoint: CrashPoint;
}

/**
 * Makes alerts from decisions until the signal, from where PostgreSQL says that they are. Any number of
 * processes may do so: a partition is applied by one at a time.
 * @throws ALERTS_TOPIC_RECREATED, ALERTS_LOG_CHANGED, POSTGRES_UNAVAILABLE, KAFKA_UNAVAILABLE, LANDING_STALLED
 */
export async function consumeDecisions(deps: AlertConsumerDeps, signal: AbortSignal): Promise<void> {
  const { contract, brokers, groupId, log } = deps;
  await using stack = new AsyncDisposableStack();
  const topics = stack.use(await openTopicReader(brokers, { retries: RETRIES }));
  const state = await findTopic(topics, deps);
  // What is wrong with the topic is said before a group is joined.
  await openProgress(deps.postgres, state, contract.table);
  const clientId = `tidemark-alerts-${process.pid}`;
  const group = openGroup({ brokers, clientId, groupId, topics: [contract.topic], log });
  stack.defer(() => leave(group, deps.clock));
  const failure = Promise.withResolvers<never>();
  const ended = new AbortController();
  const onFailure = (error: unknown) => {
    failure.reject(error);
    ended.abort();
  };
  const decisions = { topic: state.topic, topicId: state.topicId, table: contract.table };
  const decoder = compileDecoder(contract);
  const stop = AbortSignal.any([signal, ended.signal]);
  const lane = new DecisionLane({ ...deps, decisions, decoder, topics, group, stop, onFailure });
  stack.defer(() => lane.close());
  const running = { lane, group, topics, decisions, onFailure, stop };
  await Promise.race([failure.promise, run(deps, running)]);
}

// === Helpers ===

/** A broker that is away is noticed within seconds; whoever called tries again. */
const RETRIES = 2;
const TICK_MS = 250;
const WATCH_MS = 5_000;
/** Leaving a group asks the broker; a broker that is away must not hold the process. */
const LEAVE_WITHIN_MS = 5_000;

interface Running {
  readonly lane: DecisionLane;
  readonly group: GroupConsumer;
  readonly topics: TopicReader;
  readonly decisions: DecisionsTopic;
  readonly onFailure: (error: unknown) => void;
  readonly stop: AbortSignal;
}

async function findTopic(topics: TopicReader, { contract, brokers }: AlertConsumerDeps): Promise<TopicState> {
  const [found] = await topics.read([contract.topic]);
  if (found !== undefined) return found;
  await ensureTopics(brokers, topicSpecs(contract));
  const [made] = await topics.read([contract.topic]);
  if (made === undefined) {
    throw fault('KAFKA_UNAVAILABLE', {
      brokers: brokers.join(','),
      detail: `no topic ${contract.topic} yet`,
    });
  }
  return made;
}

async function run(deps: AlertConsumerDeps, running: Running): Promise<void> {
  const { lane, group, stop, onFailure } = running;
  await group.run({
    onAssigned: (assignment) => lane.assign(assignment.get(running.decisions.topic) ?? []),
    onBatch: async (batch, heartbeat) => {
      if (!stop.aborted) return await lane.accept(batch, heartbeat);
      await deps.clock.sleep(TICK_MS);
      return false;
    },
    onNothingVisible: (range) => lane.skip(range),
    onCrash: onFailure,
  });
  deps.log.info({ topic: running.decisions.topic }, 'making alerts from decisions');
  watch(deps, running).catch(onFailure);
  while (!stop.aborted) {
    await pause(deps.clock, TICK_MS, stop);
    await lane.flush();
  }
}

/** An idle topic is looked at too; a client that is stuck is given up. */
async function watch({ clock, log }: AlertConsumerDeps, running: Running): Promise<void> {
  const { lane, topics, decisions, stop } = running;
  const stalls = new StallWatch();
  while (!stop.aborted) {
    await pause(clock, WATCH_MS, stop);
    const before = new Map(lane.positions);
    const state = await readState(topics, decisions.topic, log);
    if (state === 'unknown' || stop.aborted) continue;
    // Positions move while the topic is read: only what is wrong before and after is wrong.
    const problem =
      findTopicFault(decisions, state, before) && findTopicFault(decisions, state, lane.positions);
    if (problem !== undefined) throw problem;
    const { accepted, isBusy } = lane;
    stalls.look({ topic: decisions.topic, accepted, isBusy, lag: lagOf(state, before) }, clock.nowMs());
  }
}

function lagOf(state: TopicState | undefined, positions: ReadonlyMap<number, number>): number {
  return (state?.partitions ?? []).reduce(
    (lag, { partition, logEnd }) => lag + Math.max(0, logEnd - (positions.get(partition) ?? logEnd)),
    0,
  );
}

async function readState(
  topics: TopicReader,
  topic: string,
  log: Logger,
): Promise<TopicState | undefined | 'unknown'> {
  try {
    const [state] = await topics.read([topic]);
    return state;
  } catch (error) {
    if (!isFault(error, 'KAFKA_UNAVAILABLE')) throw error;
    log.warn({ err: error }, 'Kafka does not answer');
    return 'unknown';
  }
}

async function leave(group: GroupConsumer, clock: Clock): Promise<void> {
  await Promise.race([group[Symbol.asyncDispose](), clock.sleep(LEAVE_WITHIN_MS)]);
}

/** Waits; an abort ends the wait and nothing else. */
async function pause(clock: Clock, ms: number, ended: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, ended);
  } catch (error) {
    if (!ended.aborted) throw error;
  }
}
