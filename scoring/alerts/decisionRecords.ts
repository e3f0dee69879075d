import type { KafkaRecord } from '../../infra/core/kafkaGroup.ts';
import type { Decoder } from '../../ingestion/decoder.ts';
import { type Decision, placeOf, type SourcePlace } from '../decision.ts';
import { isAlerting } from './alertPolicy.ts';

/** What of a record of the topic of decisions matters to alerts. */
export interface SeenDecision {
  readonly place: SourcePlace;
  /** Absent where nobody has to look: most decisions are small in memory. */
  readonly alerting: Decision | undefined;
  /** Milliseconds since 1970 UTC. */
  readonly decidedAtMs: number;
}

/**
 * The decision in a record of `partition`. Undefined when it is none: it breaks the contract, or its id
 * names no place in the same partition of another topic. Pure.
 */
export function readDecision(
  { key, value, timestamp }: KafkaRecord,
  partition: number,
  decoder: Decoder,
): SeenDecision | undefined {
  const judgement = decoder.judge({ key, value, arrivedAtMs: Number(timestamp) });
  if (judgement.kind === 'bad') return undefined;
  // The contract has checked types and words.
  const decision = JSON.parse(Buffer.from(judgement.json).toString('utf8')) as Decision;
  const place = placeOf(decision.decision_id);
  if (place === undefined || place.partition !== partition || !isStorable(place)) return undefined;
  return {
    place,
    alerting: isAlerting(decision) ? decision : undefined,
    decidedAtMs: judgement.eventTimeMs,
  };
}

// === Helpers ===

/** Whoever may write to the topic must not be able to stop its reader. */
function isStorable({ topic, topicId, offset }: SourcePlace): boolean {
  return Number.isSafeInteger(offset + 1) && /^[\w.-]{1,249}$/.test(topic) && /^[\w.:-]{1,80}$/.test(topicId);
}
