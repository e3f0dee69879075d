import { createDelayHistogram } from './delayHistogram.ts';
import { LABELS_TOPIC } from './domains.ts';
import type { SimulatedRecord } from './liveStream.ts';
import type { LaneRecord } from './sendLanes.ts';

/** What a run has done so far. Counts are of events where nothing else is said. */
export interface SimulationReport {
  readonly seconds: number;
  readonly target_per_minute: number;
  readonly offered: number;
  readonly acknowledged: number;
  /** Events and labels that the producer gave up. */
  readonly errors: number;
  /** Of all events and labels that were offered. */
  readonly error_rate_percent: number;
  /** Acknowledged, of what the pace asked for in this time. */
  readonly efficiency_percent: number;
  /** From when a record was due to its acknowledgement, in milliseconds; null when none was. */
  readonly send_delay_ms: {
    readonly p50: number | null;
    readonly p95: number | null;
    readonly p99: number | null;
  };
  /** Labels acknowledged. */
  readonly labels: number;
  /** Stopped before its time. */
  readonly interrupted: boolean;
}

export interface Tally {
  offered(): void;
  acknowledged(records: readonly LaneRecord[], nowMs: number): void;
  failed(records: readonly LaneRecord[]): void;
  readonly offeredCount: number;
  report(run: { elapsedMs: number; ratePerMinute: number; interrupted: boolean }): SimulationReport;
}

/** Counts a run; memory does not grow with it. */
export function createTally(): Tally {
  const delays = createDelayHistogram();
  let offered = 0;
  let acknowledged = 0;
  let errors = 0;
  let labels = 0;
  let labelErrors = 0;
  return {
    offered: () => {
      offered += 1;
    },
    acknowledged: (records, nowMs) => {
      for (const { topic, dueMs } of records) {
        if (topic === LABELS_TOPIC) labels += 1;
        else {
          acknowledged += 1;
          delays.add(nowMs - dueMs);
        }
      }
    },
    failed: (records) => {
      errors += records.length;
      labelErrors += records.filter(({ topic }) => topic === LABELS_TOPIC).length;
    },
    get offeredCount() {
      return offered;
    },
    report: ({ elapsedMs, ratePerMinute, interrupted }) => ({
      seconds: rounded(elapsedMs / 1_000),
      target_per_minute: ratePerMinute,
      offered,
      acknowledged,
      errors,
      error_rate_percent: percent(errors, offered + labels + labelErrors),
      efficiency_percent: percent(acknowledged, (ratePerMinute * elapsedMs) / 60_000),
      send_delay_ms: {
        p50: delays.percentile(0.5),
        p95: delays.percentile(0.95),
        p99: delays.percentile(0.99),
      },
      labels,
      interrupted,
    }),
  };
}

/** Truth for whoever checks a detector: what was injected, and which events were frauds. */
export interface TruthFile {
  readonly irregularities: {
    kind: string;
    topic: string;
    event_id: string;
    key: string | null;
    at_ms: number;
  }[];
  readonly frauds: { event_id: string; pattern: string; sequence_id: number; position: number }[];
}

/** Adds what is worth telling about one record. */
export function noteTruth(file: TruthFile, record: SimulatedRecord): void {
  const { topic, key, timestampMs, truth } = record;
  for (const kind of record.irregularities) {
    file.irregularities.push({ kind, topic, event_id: truth.eventId, key, at_ms: timestampMs });
  }
  if (!truth.fraud || record.irregularities.includes('duplicate')) return;
  const { eventId, pattern, sequenceId, position } = truth;
  file.frauds.push({ event_id: eventId, pattern, sequence_id: sequenceId, position });
}

// === Helpers ===

function percent(part: number, whole: number): number {
  return whole <= 0 ? 0 : rounded((100 * part) / whole);
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
