/** How often a process that ends is started again. */
export interface RestartPolicy {
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** After this long in the running state earlier failures are forgotten. */
  readonly healthyAfterMs: number;
}

export const RESTART_POLICY: RestartPolicy = {
  firstDelayMs: 500,
  maxDelayMs: 30_000,
  healthyAfterMs: 60_000,
};

/** Failures in a row, the one that just happened included, given how long the process ran. Pure. */
export function countFailure(before: number, ranMs: number, policy: RestartPolicy): number {
  return ranMs >= policy.healthyAfterMs ? 1 : before + 1;
}

/** The pause before the next start after `failures` (≥ 1) in a row: doubled each time. Pure. */
export function restartDelayMs(failures: number, policy: RestartPolicy): number {
  return Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** Math.min(failures - 1, 20));
}
