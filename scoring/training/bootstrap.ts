import { averagePrecision, rankByScore } from './metrics.ts';
import { seededRandom } from './random.ts';

/** The gain of one scoring over another, with the interval in which 95 % of the resamples lie. */
export interface PairedGain {
  readonly gain: number;
  readonly lower: number;
  readonly upper: number;
  readonly resamples: number;
  readonly entities: number;
}

/**
 * Gain in average precision of `challenger` over `champion` on the same rows. Entities are drawn with
 * replacement, all rows of one together, since rows of one entity are alike; both scorings meet the same
 * draw. A draw without positives shows nothing and counts as a loss. Pure for a given seed.
 */
export function pairedGain(options: {
  readonly champion: Float64Array;
  readonly challenger: Float64Array;
  readonly positives: Uint8Array;
  readonly entities: readonly string[];
  readonly resamples: number;
  readonly seed: number;
}): PairedGain {
  const { positives } = options;
  const [champion, challenger] = [rankByScore(options.champion), rankByScore(options.challenger)];
  const { indexes, count } = indexesOf(options.entities);
  const gainOf = (weights?: Uint32Array) => {
    const judged = weights === undefined ? { positives } : { positives, weights };
    return averagePrecision(challenger, judged) - averagePrecision(champion, judged);
  };
  const random = seededRandom(options.seed);
  const gains = Float64Array.from({ length: options.resamples }, () => {
    const draws = drawnCounts(count, random);
    const gain = gainOf(indexes.map((index) => draws[index] ?? 0));
    return Number.isNaN(gain) ? Number.NEGATIVE_INFINITY : gain;
  }).sort();
  const quantile = (share: number) => gains[Math.round(share * (gains.length - 1))] ?? Number.NaN;
  return {
    gain: gainOf(),
    lower: quantile(0.025),
    upper: quantile(0.975),
    resamples: options.resamples,
    entities: count,
  };
}

// === Helpers ===

/** The number of each row's entity, in order of first appearance. */
function indexesOf(entities: readonly string[]): { indexes: Uint32Array; count: number } {
  const numbers = new Map<string, number>();
  const indexes = Uint32Array.from(entities, (entity) => {
    const known = numbers.get(entity);
    if (known !== undefined) return known;
    numbers.set(entity, numbers.size);
    return numbers.size - 1;
  });
  return { indexes, count: numbers.size };
}

/** How often each of `count` entities comes in `count` draws with replacement. */
function drawnCounts(count: number, random: () => number): Uint32Array {
  const draws = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) {
    const drawn = Math.floor(random() * count);
    draws[drawn] = (draws[drawn] ?? 0) + 1;
  }
  return draws;
}
