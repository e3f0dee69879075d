import type { KafkaProducer } from '../../infra/core/kafka.ts';
import type { Clock, Logger } from '../../infra/core/ports.ts';
import type { LabelRecord } from './labelling.ts';
import { createLabelSender } from './labelSender.ts';
import type { LiveStream, SimulatedRecord } from './liveStream.ts';
import { createTally, type SimulationReport } from './report.ts';
import { createSendLanes } from './sendLanes.ts';
import { createTokenBucket } from './tokenBucket.ts';

export interface SimulationDeps {
  readonly producer: Pick<KafkaProducer, 'send'>;
  readonly clock: Clock;
  /** A clock that nobody sets, in milliseconds; it paces the stream. */
  readonly monotonicMs: () => number;
  readonly log: Logger;
}

export interface SimulationOptions {
  readonly stream: LiveStream;
  readonly ratePerMinute: number;
  /** Wall clock at the stream's first record, in ms since 1970. */
  readonly startMs: number;
  /** Endless when absent. */
  readonly durationMs?: number;
  /** Stops after this many events. */
  readonly maxEvents?: number;
  /** Whether labels follow; those due after the end are sent at the end, so that none is lost. */
  readonly labels: boolean;
  /** Labels of an earlier history that become known from now on. */
  readonly pendingLabels?: readonly LabelRecord[];
  /** Called once a second. */
  readonly onProgress?: (report: SimulationReport) => void;
  /** Sees each record of the stream as it is offered. */
  readonly onRecord?: (record: SimulatedRecord) => void;
}

/** What may be under way to the broker; the pace waits when it is more. */
const MAX_OUTSTANDING = 20_000;

/** A stream that is later than this is postponed instead of caught up with. */
const MAX_LAG_MS = 5_000;

const TICK_MS = 20;

/**
 * Offers the stream to the broker at its pace until its time is over or the signal comes. Records that
 * the broker never took are counted in the report, they are not an error of the run.
 */
export async function runSimulation(
  options: SimulationOptions,
  deps: SimulationDeps,
  { signal }: { readonly signal: AbortSignal },
): Promise<SimulationReport> {
  const {
    ratePerMinute,
    durationMs = Number.POSITIVE_INFINITY,
    maxEvents = Number.POSITIVE_INFINITY,
  } = options;
  const startedMs = deps.monotonicMs();
  const ratePerMs = ratePerMinute / 60_000;
  const bucket = createTokenBucket({
    ratePerMs,
    capacity: Math.max(1, ratePerMs * 1_000),
    startMs: startedMs,
  });
  const { tally, lanes, labels, offerEvent } = createOffering(options, deps, startedMs);
  const elapsedMs = () => deps.monotonicMs() - startedMs;
  const report = (interrupted: boolean) =>
    tally.report({ elapsedMs: Math.min(elapsedMs(), durationMs), ratePerMinute, interrupted });
  let nextProgressMs = 1_000;

  while (!signal.aborted && lanes.broken === undefined) {
    const nowMs = Math.min(elapsedMs(), durationMs);
    const room = Math.min(MAX_OUTSTANDING - lanes.outstanding, maxEvents - tally.offeredCount);
    for (let left = bucket.take(startedMs + nowMs, Math.max(0, room)); left > 0; left -= 1) offerEvent();
    labels.offerDue(options.startMs + nowMs, startedMs + nowMs);
    if (nowMs >= durationMs || tally.offeredCount >= maxEvents) break;
    if (nowMs >= nextProgressMs) {
      nextProgressMs = nowMs + 1_000;
      options.onProgress?.(report(false));
    }
    const idleMs = room > 0 ? bucket.msUntilNext(startedMs + nowMs) : TICK_MS;
    await pause(deps.clock, Math.min(Math.max(idleMs, TICK_MS), durationMs - nowMs, 1_000), signal);
  }
  const endedMs = elapsedMs();
  if (!signal.aborted) {
    labels.offerRest(options.startMs + endedMs, startedMs + endedMs);
    await untilAborted(lanes.drained(), signal);
  }
  if (lanes.broken !== undefined) throw lanes.broken;
  return report(signal.aborted);
}

// === Helpers ===

function createOffering(options: SimulationOptions, deps: SimulationDeps, startedMs: number) {
  const { stream, startMs } = options;
  const tally = createTally();
  const lanes = createSendLanes({
    producer: deps.producer,
    onAcknowledged: (records) => tally.acknowledged(records, deps.monotonicMs()),
    onFailed: (records, error) => {
      tally.failed(records);
      deps.log.warn({ topic: records[0]?.topic, records: records.length, err: error }, 'records given up');
    },
  });
  const labels = createLabelSender({ lanes, pending: options.pendingLabels ?? [] });
  const offerEvent = () => {
    const event = stream.next();
    const { topic, key, value, timestampMs } = event;
    const dueMs = startedMs + (timestampMs - startMs);
    const lagMs = deps.monotonicMs() - dueMs;
    if (lagMs > MAX_LAG_MS) stream.postpone(lagMs);
    tally.offered();
    options.onRecord?.(event);
    lanes.offer({ topic, record: { key, value, timestampMs }, dueMs });
    if (options.labels) labels.add(event.labels);
  };
  return { tally, lanes, labels, offerEvent };
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Waits for `work`, but no longer than until the signal comes. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([work, aborted]);
}
