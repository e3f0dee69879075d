/** Percentiles of many durations in constant memory: buckets that are 5 % wide. */
export interface DelayHistogram {
  add(ms: number): void;
  /** The bucket's upper bound in milliseconds, or null when nothing was added. @param share 0 to 1 */
  percentile(share: number): number | null;
}

export function createDelayHistogram(): DelayHistogram {
  const counts = new Float64Array(BUCKETS);
  let total = 0;
  return {
    add: (ms) => {
      const bucket = Math.ceil(Math.log(Math.max(1, ms)) / LOG_WIDTH);
      const index = Math.min(BUCKETS - 1, bucket);
      counts[index] = (counts[index] ?? 0) + 1;
      total += 1;
    },
    percentile: (share) => {
      if (total === 0) return null;
      let left = Math.max(1, Math.ceil(share * total));
      const bucket = counts.findIndex((count) => {
        left -= count;
        return left <= 0;
      });
      return Math.round(Math.exp(bucket * LOG_WIDTH) * 10) / 10;
    },
  };
}

// === Helpers ===

const LOG_WIDTH = Math.log(1.05);

/** Up to some 20 days. */
const BUCKETS = 440;
