import { isoMs } from './event.ts';
import { clamp, Rng } from './prng.ts';
import type { Truth } from './truth.ts';

/** A record for topic `labels`. */
export interface LabelRecord {
  /** The labelled event's id. */
  readonly key: string;
  readonly value: string;
  readonly availableAtMs: number;
}

export interface LabelDelay {
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
}

/** A chargeback takes days. */
export const HISTORY_LABEL_DELAY: LabelDelay = {
  medianMs: 3 * 86_400_000,
  minMs: 86_400_000,
  maxMs: 10 * 86_400_000,
};

/** The same shape around another median, so that live traffic shows the loop within minutes. */
export function liveLabelDelay(medianMs: number): LabelDelay {
  return { medianMs, minMs: medianMs / 3, maxMs: (medianMs * 10) / 3 };
}

/** Frauds that nobody ever reports. */
const NEVER_REPORTED = 0.02;
/** Reports that first say the opposite of the truth. */
const FIRST_WRONG = 0.005;
/** Honest events that are charged back by mistake: about as many as `FIRST_WRONG` of all labels. */
const FALSE_ALARM = 0.0002;

/**
 * What becomes known about one event, and when: nothing, one label, or a wrong one and its correction
 * as a second revision. A function of (seed, event), whatever else happens. Pure.
 */
export function labelsOf(
  event: { readonly truth: Truth; readonly eventTimeMs: number },
  options: { readonly seed: number; readonly delay: LabelDelay },
): LabelRecord[] {
  const { truth, eventTimeMs } = event;
  const rng = new Rng(options.seed, 'label', truth.eventId);
  const roll = rng.next();
  const reported = truth.fraud ? roll >= NEVER_REPORTED : roll < FALSE_ALARM;
  if (!reported) return [];
  const wait = () => delayOf(rng, options.delay);
  const firstAtMs = Math.round(eventTimeMs + wait());
  const wrong = !truth.fraud || rng.chance(FIRST_WRONG);
  const type = truth.fraud ? truth.pattern : rng.pick(MISTAKEN_TYPES);
  const first = { eventId: truth.eventId, revision: 1, fraud: truth.fraud !== wrong, type, atMs: firstAtMs };
  if (!wrong) return [record(first)];
  const corrected = { ...first, revision: 2, fraud: truth.fraud, atMs: Math.round(firstAtMs + wait() / 2) };
  return [record(first), record(corrected)];
}

/** The label as it reads when it became known by `nowMs` at the latest. */
export function availableBy(label: LabelRecord, nowMs: number): LabelRecord {
  if (label.availableAtMs <= nowMs) return label;
  const availableAtMs = Math.floor(nowMs); // a monotone clock has fractions, a record's time has none
  const time = `"label_available_at":"${isoMs(availableAtMs)}"`;
  return { ...label, value: label.value.replace(/"label_available_at":"[^"]+"/, time), availableAtMs };
}

// === Helpers ===

const MISTAKEN_TYPES = ['fraud_chargeback_fraud', 'fraud_friendly_fraud'];

function delayOf(rng: Rng, { medianMs, minMs, maxMs }: LabelDelay): number {
  return clamp(rng.logNormal(medianMs, 0.55), minMs, maxMs);
}

function record(statement: {
  eventId: string;
  revision: number;
  fraud: boolean;
  type: string;
  atMs: number;
}): LabelRecord {
  const { eventId, revision, fraud, type, atMs } = statement;
  const label = fraud ? `"label":"fraud","fraud_type":"${type}"` : '"label":"legitimate"';
  return {
    key: eventId,
    value:
      `{"label_id":"cb_${eventId}","revision":${revision},"event_id":"${eventId}",${label}` +
      `,"source":"chargeback","label_available_at":"${isoMs(atMs)}"}`,
    availableAtMs: atMs,
  };
}
