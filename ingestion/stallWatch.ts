import { fault } from '../infra/core/errorCatalog.ts';

/** Records wait, nothing comes: after this long the client is given up, in milliseconds. */
const STALLED_MS = 90_000;
/** Looks lie further apart when no broker answers: that time is none of a stall. */
const UNSEEN_MS = 30_000;

/** What a look at one lane shows. */
export interface LaneLook {
  readonly topic: string;
  readonly lag: number;
  /** Rises with each fetch that was taken. */
  readonly accepted: number;
  /** The flusher is what everybody waits for. */
  readonly isBusy: boolean;
}

/** Finds a client that is stuck: records wait, nothing comes, and nobody is at work. */
export class StallWatch {
  readonly #moved = new Map<string, { accepted: number; sinceMs: number; lookedMs: number }>();

  /** @throws LANDING_STALLED */
  look({ topic, lag, accepted, isBusy }: LaneLook, nowMs: number): void {
    const last = this.#moved.get(topic);
    const isUnseen = last === undefined || nowMs - last.lookedMs > UNSEEN_MS;
    if (isUnseen || last.accepted !== accepted || lag === 0 || isBusy) {
      this.#moved.set(topic, { accepted, sinceMs: nowMs, lookedMs: nowMs });
      return;
    }
    last.lookedMs = nowMs;
    const stalledMs = nowMs - last.sinceMs;
    if (stalledMs > STALLED_MS)
      throw fault('LANDING_STALLED', { topic, lag, seconds: Math.round(stalledMs / 1_000) });
  }
}
