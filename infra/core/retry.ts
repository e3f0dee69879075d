import type { Clock } from './ports.ts';

export interface RetryPolicy {
  readonly initialMs: number;
  readonly maxDelayMs: number;
  /** Wall-clock budget over all attempts. */
  readonly totalTimeoutMs: number;
}

const DEFAULT_RETRY: RetryPolicy = Object.freeze({
  initialMs: 50,
  maxDelayMs: 2_000,
  totalTimeoutMs: 60_000,
});

/** Delay before attempt `attempt` (from 0): doubling, full jitter, capped. Pure but for `random`. */
export function jitteredBackoff(
  attempt: number,
  policy: RetryPolicy = DEFAULT_RETRY,
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(policy.maxDelayMs, policy.initialMs * 2 ** attempt);
  return ceiling * (0.5 + random() / 2);
}

/**
 * Runs `attempt` until it resolves, `isRetriable` refuses its error, or the budget is spent; the last
 * error is thrown unchanged.
 */
export async function withRetry<T>(
  attempt: (attemptNumber: number) => Promise<T>,
  options: {
    clock: Clock;
    isRetriable: (error: unknown) => boolean;
    policy?: RetryPolicy;
    signal?: AbortSignal;
  },
): Promise<T> {
  const policy = options.policy ?? DEFAULT_RETRY;
  const deadlineMs = options.clock.nowMs() + policy.totalTimeoutMs;
  for (let n = 0; ; n += 1) {
    try {
      return await attempt(n);
    } catch (error) {
      const delayMs = jitteredBackoff(n, policy);
      if (!options.isRetriable(error) || options.clock.nowMs() + delayMs > deadlineMs) throw error;
      await options.clock.sleep(delayMs, options.signal);
    }
  }
}
