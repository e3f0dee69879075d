import { type Actor, createActor } from './actor.ts';
import type { Domain } from './domains.ts';
import { at, type Rng } from './prng.ts';

/** Ranges of indexes; the regulars are below. */
const FIRST_MULE = 1_000_000;
const FIRST_NEWCOMER = 1_100_000;
const FIRST_STRANGER = 3_200_000;
const STRANGERS = 5_000_000;

/** Accounts that launderers use again and again. */
const MULES = 150;

/**
 * The people of one seed. History and live traffic of a seed meet the same people, since each is a
 * pure function of (seed, domain, index); they are made when first met.
 */
export interface World {
  readonly seed: number;
  readonly actorsPerDomain: number;
  actor(domain: Domain, index: number): Actor;
  /** A regular, the active ones more often (Zipf and Mandelbrot). */
  pickActor(domain: Domain, rng: Rng): Actor;
  /** An honest customer who is new, or comes once in a while; there are twice as many as regulars. */
  newcomer(domain: Domain, rng: Rng): Actor;
  /** Somebody nobody has seen before. */
  stranger(domain: Domain, rng: Rng): Actor;
  /** One of the few accounts that are used for moving money. */
  mule(rng: Rng): Actor;
  /** Share of the domain's sequences that actor `index` starts; all regulars sum to 1. */
  activity(index: number): number;
}

/** @param options.actorsPerDomain 1 to 1,000,000 */
export function createWorld(options: { seed: number; actorsPerDomain: number }): World {
  const { seed, actorsPerDomain } = options;
  const cumulative = cumulativeActivity(actorsPerDomain);
  const met = new Map<string, Actor>();
  const actor = (domain: Domain, index: number): Actor => {
    const key = `${domain}:${index}`;
    const known = met.get(key);
    if (known !== undefined) return known;
    const made = createActor({ seed, domain, index });
    met.set(key, made);
    return made;
  };
  return {
    seed,
    actorsPerDomain,
    actor,
    pickActor: (domain, rng) => actor(domain, indexOf(cumulative, rng.next())),
    newcomer: (domain, rng) =>
      createActor({ seed, domain, index: FIRST_NEWCOMER + rng.int(0, 2 * actorsPerDomain - 1) }),
    stranger: (domain, rng) =>
      createActor({ seed, domain, index: FIRST_STRANGER + rng.int(0, STRANGERS - 1) }),
    mule: (rng) => actor('fintech', FIRST_MULE + rng.int(0, MULES - 1)),
    activity: (index) => at(cumulative, index) - (index === 0 ? 0 : at(cumulative, index - 1)),
  };
}

// === Helpers ===

/** Flattens the head: the most active of 1,000 starts 1 % of all, the median 0.05 %. */
const RANK_SHIFT = 20;
const EXPONENT = 0.9;

function cumulativeActivity(count: number): Float64Array {
  const cumulative = new Float64Array(count);
  let total = 0;
  for (let index = 0; index < count; index += 1) {
    total += (index + 1 + RANK_SHIFT) ** -EXPONENT;
    cumulative[index] = total;
  }
  return cumulative.map((sum) => sum / total);
}

/** The first index whose cumulative share is above `share`. */
function indexOf(cumulative: Float64Array, share: number): number {
  let from = 0;
  let to = cumulative.length - 1;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (at(cumulative, middle) > share) to = middle;
    else from = middle + 1;
  }
  return from;
}
