import { createLane, type Lane, type LaneParts } from '../lane.ts';
import type { RestorePlan } from './positions.ts';

/** A partition that this process decides, or decided before somebody else took it. */
export class OwnedPartition {
  readonly plan: RestorePlan;
  readonly lane: Lane;
  /** Whether the windows are those that this process had already. */
  readonly isKept: boolean;
  /** Next offset to take from Kafka. */
  taken: number;
  /** Every record below this offset has joined the windows, none above. */
  folded: number;
  /** Next offset whose decision is not acknowledged. */
  published: number;
  /** Of the newest record that joined, for `sweep`; undefined: none since the start. */
  arrivedAtMs: number | undefined;

  /** @param kept windows that end at the position; undefined: empty ones, into which bronze is to be folded */
  constructor(plan: RestorePlan, parts: Omit<LaneParts, 'place'>, kept?: Lane) {
    this.plan = plan;
    this.isKept = kept !== undefined;
    this.lane = kept ?? createLane({ ...parts, place: plan.place });
    this.folded = this.isKept ? plan.position : plan.foldBelow;
    // Kept windows hold what a fresh start would read again from Kafka only to fold it in.
    this.taken = this.isKept ? Math.max(plan.position, plan.consumeFrom) : plan.consumeFrom;
    this.published = plan.position;
  }
}
