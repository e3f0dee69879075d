import { fault } from '../../infra/core/errorCatalog.ts';
import type { PartitionIdentity } from '../../ingestion/partitionIdentity.ts';

/** What is known of a partition when it is assigned. Offsets are of its next record. */
export interface PartitionFacts {
  readonly place: PartitionIdentity;
  readonly logStart: number;
  readonly logEnd: number;
  /** Landed so far, by the snapshot that its windows are restored from; undefined: nothing. */
  readonly landed: number | undefined;
  /** The first offset of all that is decided. */
  readonly start: number;
  /** 1 + the highest offset that landed decisions are about; undefined: none. */
  readonly decided: number | undefined;
  /** The same of decisions that have not landed yet. */
  readonly tail: number | undefined;
}

/** How a partition is taken up again. */
export interface RestorePlan {
  readonly place: PartitionIdentity;
  /** The first offset that is not decided: below it records are folded in and no more. */
  readonly position: number;
  /** Rows of bronze below this offset are folded in. */
  readonly foldBelow: number;
  /** Rows of bronze that are decided because Kafka has them no more; `to` is exclusive. */
  readonly bronze: { readonly from: number; readonly to: number };
  /** Where Kafka is read from. */
  readonly consumeFrom: number;
}

/**
 *   bronze, folded          bronze, decided            Kafka, folded or decided
 *   ──────────────► foldBelow ─────────────► consumeFrom ──────────────────────►
 *
 * Pure. @throws LANDING_RETENTION_OVERTOOK, LANDING_LOG_TRUNCATED
 */
export function planRestore(facts: PartitionFacts): RestorePlan {
  const { place, logStart, logEnd } = facts;
  const { topic, partition } = place;
  const position = Math.max(facts.start, facts.decided ?? 0, facts.tail ?? 0);
  const landed = facts.landed ?? logStart;
  const next = Math.max(position, landed);
  if (next > logEnd) throw fault('LANDING_LOG_TRUNCATED', { topic, partition, next, logEnd });
  // Between the two neither bronze nor Kafka has the records.
  if (landed < logStart)
    throw fault('LANDING_RETENTION_OVERTOOK', { topic, partition, next: landed, logStart });
  const foldBelow = Math.min(position, landed);
  const consumeFrom = Math.max(foldBelow, logStart);
  return { place, position, foldBelow, bronze: { from: foldBelow, to: consumeFrom }, consumeFrom };
}
