import { isFault } from '../../infra/core/errorCatalog.ts';
import type { TidemarkError } from '../../infra/core/errors.ts';
import type { TopicReader, TopicState } from '../../infra/core/kafka.ts';
import type { GroupConsumer } from '../../infra/core/kafkaGroup.ts';
import type { Clock, Logger } from '../../infra/core/ports.ts';
import { StallWatch } from '../../ingestion/stallWatch.ts';
import { findTopicFault } from '../../ingestion/topicGuard.ts';
import type { Intake } from './intake.ts';
import type { OwnedPartition } from './ownedPartition.ts';
import type { OpenSource } from './sources.ts';
import type { Totals } from './totals.ts';

/** How often extents of the topics are looked at, offsets told and the totals written, in milliseconds. */
const WATCH_MS = 5_000;
const OFFSETS_MS = 2_000;
const REPORT_MS = 15_000;
/** One partition forgets keys at a time: a sweep over all of them would be felt in the latency. */
const SWEEP_MS = 500;

export interface UpkeepParts {
  readonly intake: Intake;
  readonly sources: readonly OpenSource[];
  readonly reader: TopicReader;
  readonly group: Pick<GroupConsumer, 'commitOffsets'>;
  readonly totals: Totals;
  /** What follows newer models and gold values. All records that arrived before `caughtUpAtMs()` are decided. */
  readonly poll: (caughtUpAtMs: () => number | undefined) => Promise<unknown>;
  readonly pollMs: number;
  readonly fields: () => object;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What goes on beside the batches until the signal. @throws LANDING_*, and what `poll` throws */
export async function keepUp(parts: UpkeepParts, ended: AbortSignal): Promise<void> {
  const { clock, pollMs, poll, totals, log, fields } = parts;
  const stalls = new StallWatch();
  const sweeping = { next: 0 };
  const looks: Looks = { caughtUp: undefined, overtaken: new Map() };
  const caughtUpAtMs = () =>
    looks.caughtUp?.generation === parts.intake.generation ? looks.caughtUp.atMs : undefined;
  await Promise.all([
    every(clock, { ms: WATCH_MS, ended }, () => watch(parts, { stalls, looks })),
    every(clock, { ms: OFFSETS_MS, ended }, () => tellOffsets(parts)),
    every(clock, { ms: SWEEP_MS, ended }, async () => {
      sweepNext(parts.intake, sweeping);
      parts.intake.forgetParked();
    }),
    every(clock, { ms: REPORT_MS, ended }, async () => totals.report(log, fields())),
    every(clock, { ms: pollMs, ended }, () => poll(caughtUpAtMs)),
  ]);
}

/** The group's offsets only feed lag tools. */
export async function tellOffsets({ intake, group, log }: UpkeepParts): Promise<void> {
  const offsets = [...intake.owned.values()].map(({ plan, published }) => {
    return { topic: plan.place.topic, partition: plan.place.partition, offset: published };
  });
  if (offsets.length === 0) return;
  try {
    await group.commitOffsets(offsets);
  } catch (error) {
    log.debug({ err: error }, 'the group does not take our offsets');
  }
}

// === Helpers ===

/** What the looks before the next one have seen. */
interface Looks {
  /** Of the assignment of then only: a later one may have brought older records. */
  caughtUp: { readonly atMs: number; readonly generation: number } | undefined;
  /** By topic, the place that the log no longer reaches back to. */
  readonly overtaken: Map<string, string>;
}

async function every(
  clock: Clock,
  { ms, ended }: { readonly ms: number; readonly ended: AbortSignal },
  work: () => Promise<unknown>,
): Promise<void> {
  while (!ended.aborted) {
    try {
      await clock.sleep(ms, ended);
    } catch (error) {
      if (!ended.aborted) throw error;
      return;
    }
    await work();
  }
}

/** Topics are looked at when they are idle too; a client that is stuck ends the process. */
async function watch(
  parts: UpkeepParts,
  { stalls, looks }: { readonly stalls: StallWatch; readonly looks: Looks },
): Promise<void> {
  const { intake, sources, clock } = parts;
  const { generation } = intake;
  const lookedMs = clock.nowMs();
  const before = new Map(sources.map((source) => [source, positionsOf(intake, source)]));
  const states = await readStates(parts);
  if (states === undefined) return;
  for (const [source, earlier] of before) {
    const { topic, partitions } = source.contract;
    const state = states.find((one) => one.topic === topic);
    const expected = { topic, topicId: source.topicId, partitions };
    const positions = positionsOf(intake, source);
    // Positions move while the topic is read: only what is wrong before and after is wrong.
    const problem =
      findTopicFault({ ...expected, positions: earlier }, state) &&
      findTopicFault({ ...expected, positions }, state);
    if (problem !== undefined && !isFault(problem, 'LANDING_RETENTION_OVERTOOK')) throw problem;
    followRetention(parts, { overtaken: looks.overtaken, topic, problem });
    const look = { topic, accepted: intake.accepted(topic), isBusy: intake.isBusy };
    stalls.look({ ...look, lag: lagOf(positions, state) }, clock.nowMs());
  }
  const atMs = decidedBefore(parts, states, lookedMs);
  if (atMs !== undefined && generation === intake.generation) looks.caughtUp = { atMs, generation };
}

/**
 * All records that arrived before this time are decided; undefined: that is not known. Under load something
 * always waits: what is decided of a partition tells how old it can be.
 */
function decidedBefore(
  { intake, sources }: UpkeepParts,
  states: readonly TopicState[],
  lookedMs: number,
): number | undefined {
  if (!intake.isReady) return undefined;
  const times = [...intake.owned.values()].map(({ plan: { place }, taken, published, arrivedAtMs }) => {
    const log = states.find(({ topic }) => topic === place.topic);
    const { logEnd = Number.POSITIVE_INFINITY } =
      log?.partitions.find(({ partition }) => partition === place.partition) ?? {};
    // Behind the last record there may be markers, which nobody decides.
    if ((intake.isBusy ? published : taken) >= logEnd) return lookedMs;
    const source = sources.find(({ contract }) => contract.topic === place.topic);
    return (arrivedAtMs ?? Number.NEGATIVE_INFINITY) - stepBackMs(source);
  });
  const atMs = Math.min(lookedMs, ...times);
  return atMs === Number.NEGATIVE_INFINITY ? undefined : atMs;
}

/** How far arrivals of a partition may step back where its producers tell the time, see `forgettableBefore`. */
function stepBackMs(source: OpenSource | undefined): number {
  return (source?.set.settings.latenessMs ?? 0) + 15 * 60_000;
}

/**
 * A fetch that has come is in our hands, whatever retention takes. Where none comes from one look to the next,
 * Kafka has no more what comes next, and answers with later records for ever: bronze has it.
 */
function followRetention(
  { intake, log }: UpkeepParts,
  seen: {
    readonly overtaken: Map<string, string>;
    readonly topic: string;
    readonly problem: TidemarkError | undefined;
  },
): void {
  const { overtaken, topic, problem } = seen;
  if (problem === undefined) {
    overtaken.delete(topic);
    return;
  }
  const { partition, next, logStart } = problem.details;
  const place = `${partition}:${next}`;
  if (overtaken.get(topic) === place) {
    log.warn({ topic, partition, next, logStart }, 'retention has overtaken us; taking up again');
    intake.takeUpAgain();
  }
  overtaken.set(topic, place);
}

function positionsOf({ owned }: Intake, { contract }: OpenSource): ReadonlyMap<number, number> {
  const own = [...owned.values()].filter(({ plan }) => plan.place.topic === contract.topic);
  return new Map(own.map(({ plan, taken }) => [plan.place.partition, taken]));
}

/** Undefined while no broker answers: nothing can be said, and the client goes on by itself. */
async function readStates({ reader, sources, log }: UpkeepParts): Promise<TopicState[] | undefined> {
  try {
    return await reader.read(sources.map(({ contract }) => contract.topic));
  } catch (error) {
    if (!isFault(error, 'KAFKA_UNAVAILABLE')) throw error;
    log.warn({ err: error }, 'Kafka does not answer');
    return undefined;
  }
}

function lagOf(positions: ReadonlyMap<number, number>, state: TopicState | undefined): number {
  return (state?.partitions ?? []).reduce(
    (lag, { partition, logEnd }) => lag + Math.max(0, logEnd - (positions.get(partition) ?? logEnd)),
    0,
  );
}

function sweepNext({ owned }: Intake, sweeping: { next: number }): void {
  const partitions: OwnedPartition[] = [...owned.values()];
  const one = partitions[sweeping.next % Math.max(1, partitions.length)];
  sweeping.next += 1;
  if (one?.arrivedAtMs !== undefined) one.lane.sweep(one.arrivedAtMs);
}
