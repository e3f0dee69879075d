/** Meters out records: `ratePerMs` a millisecond, never more than `capacity` at once. */
export interface TokenBucket {
  /** Takes up to `wanted` whole tokens at `nowMs`; time must not go back. */
  take(nowMs: number, wanted: number): number;
  /** Milliseconds until a whole token is there; 0 when one is. */
  msUntilNext(nowMs: number): number;
}

/** A bucket that is empty at `startMs`; what does not fit into it is lost, not owed. */
export function createTokenBucket(options: {
  readonly ratePerMs: number;
  readonly capacity: number;
  readonly startMs: number;
}): TokenBucket {
  const { ratePerMs, capacity } = options;
  let tokens = 0;
  let filledAtMs = options.startMs;
  const fill = (nowMs: number) => {
    tokens = Math.min(capacity, tokens + (nowMs - filledAtMs) * ratePerMs);
    filledAtMs = nowMs;
  };
  return {
    take: (nowMs, wanted) => {
      fill(nowMs);
      // A sum of many small parts may end a hair below the whole number that it stands for.
      const taken = Math.min(Math.floor(tokens + 1e-9), wanted);
      tokens -= taken;
      return taken;
    },
    msUntilNext: (nowMs) => {
      fill(nowMs);
      return Math.max(0, (1 - tokens) / ratePerMs);
    },
  };
}
