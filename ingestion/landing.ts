import type { SqlSession } from '../infra/core/duckdb.ts';
import { fault, isFault } from '../infra/core/errorCatalog.ts';
import {
  connectProducer,
  ensureTopics,
  type KafkaProducer,
  openTopicReader,
  type TopicReader,
  type TopicSpec,
  type TopicState,
} from '../infra/core/kafka.ts';
import {
  type FetchedBatch,
  type GroupConsumer,
  type GroupHandlers,
  openGroup,
} from '../infra/core/kafkaGroup.ts';
import type { Clock, Logger } from '../infra/core/ports.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { openBronze } from './bronzeTable.ts';
import type { Contract } from './contract.ts';
import { deadLetterTopic } from './deadLetter.ts';
import { compileDecoder } from './decoder.ts';
import type { FlushLimits } from './flushPolicy.ts';
import { StallWatch } from './stallWatch.ts';
import { findTopicFault } from './topicGuard.ts';
import { TopicLane } from './topicLane.ts';

export interface LandingDeps {
  readonly lake: Lake;
  readonly contracts: readonly Contract[];
  readonly kafka: { readonly brokers: readonly string[]; readonly cluster: string; readonly groupId: string };
  readonly limits: FlushLimits;
  readonly log: Logger;
}

/** How often the clock of the flush policy is looked at, in milliseconds. */
const TICK_MS = 200;
/** How often identity, extent and progress of the topics are looked at when nothing else does, in milliseconds. */
const WATCH_MS = 5_000;
/** Bytes buffered over all topics, as a multiple of one batch. */
const BUFFERED_BATCHES = 4;

/**
 * Lands topics until the signal: every record is one row of its topic's bronze table, in one commit
 * with its offset. Any number of processes may do so in one group. Returns when all that was accepted
 * is committed. @throws LANDING_* when going on would lose or double records
 */
export async function runLanding(deps: LandingDeps, { signal }: { signal: AbortSignal }): Promise<void> {
  const { lake, contracts, kafka, log } = deps;
  await ensureTopics(kafka.brokers, contracts.flatMap(topicSpecs));
  await using stack = new AsyncDisposableStack();
  const clientId = `tidemark-landing-${process.pid}`;
  const topics = stack.use(await openTopicReader(kafka.brokers));
  const producer = stack.use(await connectProducer({ brokers: kafka.brokers, clientId, log }));
  const session = stack.use(await lake.duckdb.connect());
  const group = stack.use(openGroup({ ...kafka, clientId, topics: contracts.map((c) => c.topic), log }));
  const failed = new AbortController();
  const failure = Promise.withResolvers<never>();
  const onFailure = (error: unknown) => {
    failure.reject(error);
    failed.abort();
  };
  const parts = { topics, producer, group, withSession: oneAtATime(session), onFailure };
  const lanes = await openLanes(deps, parts);
  stack.defer(() => {
    for (const lane of lanes) lane.close();
  });
  const running = { lanes, group, topics, onFailure, failed: failed.signal };
  await Promise.race([failure.promise, runLanes(deps, running, signal)]);
}

/** The topics that landing of a contract needs. */
export function topicSpecs({ topic, partitions }: Contract): TopicSpec[] {
  return [
    { topic, partitions, config: TOPIC_CONFIG },
    {
      topic: deadLetterTopic(topic),
      partitions: 1,
      config: { ...TOPIC_CONFIG, 'max.message.bytes': DLQ_MAX_BYTES },
    },
  ];
}

// === Helpers ===

/** Topics that Tidemark makes carry the broker's time, so that arrival is no claim of a producer. */
const TOPIC_CONFIG = { 'message.timestamp.type': 'LogAppendTime', 'cleanup.policy': 'delete' };
/** Room for a record that its own topic took and the headers that say why it is bad. */
const DLQ_MAX_BYTES = '10485760';

interface LaneParts {
  readonly topics: TopicReader;
  readonly producer: KafkaProducer;
  readonly group: GroupConsumer;
  readonly withSession: <T>(use: (session: SqlSession) => Promise<T>) => Promise<T>;
  readonly onFailure: (error: unknown) => void;
}

async function openLanes(deps: LandingDeps, parts: LaneParts): Promise<TopicLane[]> {
  const { lake, kafka, limits, log, contracts } = deps;
  const states = await parts.topics.read(contracts.map(({ topic }) => topic));
  return await Promise.all(
    contracts.map(async (contract) => {
      const { topic } = contract;
      const state = states.find((one) => one.topic === topic);
      if (state === undefined) throw fault('LANDING_TOPIC_GONE', { topic, topicId: 'unknown' });
      return new TopicLane({
        ...parts,
        contract,
        decoder: compileDecoder(contract),
        table: await openBronze(lake, contract),
        cluster: kafka.cluster,
        topicId: state.topicId,
        limits,
        scratchDir: lake.stagingDir,
        clock: lake.clock,
        log,
        crashPoint: lake.crashPoint,
      });
    }),
  );
}

interface Running {
  readonly lanes: readonly TopicLane[];
  readonly group: GroupConsumer;
  readonly topics: TopicReader;
  readonly onFailure: (error: unknown) => void;
  readonly failed: AbortSignal;
}

async function runLanes(deps: LandingDeps, running: Running, signal: AbortSignal): Promise<void> {
  const { lanes, group, failed } = running;
  const { clock } = deps.lake;
  const ended = AbortSignal.any([signal, failed]);
  await group.run(groupHandlers(deps, running, ended));
  watch(deps, running, ended).catch(running.onFailure);
  while (!ended.aborted) {
    await pause(clock, TICK_MS, ended);
    for (const lane of lanes) lane.tick();
  }
  if (!failed.aborted) await Promise.all(lanes.map((lane) => lane.drain()));
}

function groupHandlers(deps: LandingDeps, { lanes, onFailure }: Running, ended: AbortSignal): GroupHandlers {
  const byTopic = new Map(lanes.map((lane) => [lane.topic, lane]));
  return {
    onAssigned: (assignment) => {
      for (const lane of lanes) lane.assign(assignment.get(lane.topic) ?? []);
    },
    onBatch: async (batch, heartbeat) => {
      // Nothing is accepted any more; staying in the group until the last commit spares a rebalance.
      if (ended.aborted) {
        await deps.lake.clock.sleep(TICK_MS);
        await heartbeat();
        return false;
      }
      await waitForRoom(deps, lanes, heartbeat);
      return await acceptInto(byTopic, batch, heartbeat);
    },
    onNothingVisible: (range) => byTopic.get(range.topic)?.skip(range),
    onCrash: onFailure,
  };
}

async function acceptInto(
  byTopic: ReadonlyMap<string, TopicLane>,
  batch: FetchedBatch,
  heartbeat: () => Promise<void>,
): Promise<boolean> {
  const lane = byTopic.get(batch.topic);
  return lane !== undefined && (await lane.accept(batch, heartbeat));
}

/** Memory is bounded by configuration: over the bound everything is flushed before more is read. */
async function waitForRoom(
  { limits, lake }: LandingDeps,
  lanes: readonly TopicLane[],
  heartbeat: () => Promise<void>,
): Promise<void> {
  const buffered = () => lanes.reduce((sum, lane) => sum + lane.bytes, 0);
  while (buffered() > BUFFERED_BATCHES * limits.maxBytes) {
    for (const lane of lanes) if (!lane.isFull) lane.seal();
    await lake.clock.sleep(TICK_MS / 10);
    await heartbeat();
  }
}

/** Topics are looked at when they are idle too; a client that is stuck ends the process. */
async function watch(deps: LandingDeps, running: Running, ended: AbortSignal): Promise<void> {
  const { clock } = deps.lake;
  const stalls = new StallWatch();
  while (!ended.aborted) {
    await pause(clock, WATCH_MS, ended);
    const before = new Map(running.lanes.map((lane) => [lane, lane.expectation]));
    const states = await readStates(deps, running);
    if (states === undefined || ended.aborted) continue;
    for (const [lane, expectation] of before) {
      const state = states.find(({ topic }) => topic === lane.topic);
      // Positions move while the topic is read: only what is wrong before and after is wrong.
      const problem = findTopicFault(expectation, state) && findTopicFault(lane.expectation, state);
      // What was read before retention came is landed before the end.
      if (isFault(problem, 'LANDING_RETENTION_OVERTOOK')) await lane.drain();
      if (problem !== undefined) throw problem;
      // The client hands out one fetch at a time: one topic that waits for its flusher holds all.
      const isBusy = running.lanes.some((one) => one.isFull);
      const { topic, accepted } = lane;
      stalls.look({ topic, accepted, isBusy, lag: lagOf(lane, state) }, clock.nowMs());
    }
  }
}

/** Undefined while no broker answers: nothing can be said, and the client goes on by itself. */
async function readStates(
  { log }: LandingDeps,
  { topics, lanes }: Running,
): Promise<TopicState[] | undefined> {
  try {
    return await topics.read(lanes.map(({ topic }) => topic));
  } catch (error) {
    if (!isFault(error, 'KAFKA_UNAVAILABLE')) throw error;
    log.warn({ err: error }, 'Kafka does not answer');
    return undefined;
  }
}

function lagOf(lane: TopicLane, state: TopicState | undefined): number {
  const { positions } = lane.expectation;
  return (state?.partitions ?? []).reduce(
    (lag, { partition, logEnd }) => lag + Math.max(0, logEnd - (positions.get(partition) ?? logEnd)),
    0,
  );
}

/** Callers take turns: one staging holds as much memory as the bound allows. */
function oneAtATime(session: SqlSession): LaneParts['withSession'] {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(use: (session: SqlSession) => Promise<T>): Promise<T> => {
    const turn = last.then(() => use(session));
    last = turn.catch(() => undefined);
    return turn;
  };
}

/** Waits; an abort ends the wait and nothing else. */
async function pause(clock: Clock, ms: number, ended: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, ended);
  } catch (error) {
    if (!ended.aborted) throw error;
  }
}
