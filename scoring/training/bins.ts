import type { Bins } from '../modelCard.ts';

/**
 * The distribution of values, for drift: missing and zero apart, the others between their deciles. A
 * value that is most of a column is one bin, not several empty ones. Pure.
 */
export function binsOf(values: Float32Array | Float64Array): Bins {
  const present = Float64Array.from(values).filter((value) => !Number.isNaN(value));
  const others = present.filter((value) => value !== 0).sort();
  const edges = edgesOf(others);
  const counts = new Array<number>(edges.length + 1).fill(0);
  let bin = 0;
  for (const value of others) {
    while (bin < edges.length && value >= (edges[bin] ?? Number.POSITIVE_INFINITY)) bin += 1;
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return {
    missing: values.length - present.length,
    zero: present.length - others.length,
    edges,
    counts,
  };
}

// === Helpers ===

const BINS = 10;

/** Deciles of rising values, each once; the least value is none, nothing would be below it. */
function edgesOf(sorted: Float64Array): number[] {
  const deciles = Array.from(
    { length: BINS - 1 },
    (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / BINS)] ?? Number.NaN,
  );
  return [...new Set(deciles)].filter((edge) => edge > (sorted[0] ?? Number.POSITIVE_INFINITY));
}
