import type { Logger } from '../../infra/core/ports.ts';
import type { ScoringCounters } from '../counters.ts';

/** What the log says now and then: how many were decided since the last line, how fast, and what was not scored. */
export class Totals {
  readonly #counters: ScoringCounters;
  #decided = 0;
  #latencies = new Float64Array(KEPT);
  #unscored: Readonly<Record<string, number>>;

  constructor(counters: ScoringCounters) {
    this.#counters = counters;
    this.#unscored = { ...counters.unscored };
  }

  /** A published decision, so long after its record arrived. hot path */
  add(latencyMs: number): void {
    // Of more than can be kept the newest ones tell the latency.
    this.#latencies[this.#decided % KEPT] = latencyMs;
    this.#decided += 1;
  }

  /** One line, none when nothing was decided. Latencies are from the broker's arrival to the acknowledgement. */
  report(log: Logger, fields: object): void {
    if (this.#decided === 0) return;
    const sorted = this.#latencies.slice(0, Math.min(this.#decided, KEPT)).sort();
    const { unscored } = this.#counters;
    const since = Object.entries(unscored)
      .map(([reason, count]) => [reason, count - (this.#unscored[reason] ?? 0)] as const)
      .filter(([, count]) => count > 0);
    log.info(
      {
        decided: this.#decided,
        p50Ms: quantile(sorted, 0.5),
        p99Ms: quantile(sorted, 0.99),
        unscored: Object.fromEntries(since),
        ...fields,
      },
      'decided',
    );
    this.#unscored = { ...unscored };
    this.#decided = 0;
  }
}

// === Helpers ===

const KEPT = 65_536;

function quantile(sorted: Float64Array, share: number): number {
  return Math.round(sorted[Math.ceil(sorted.length * share) - 1] ?? 0);
}
