import type { Actor } from './actor.ts';
import type { Domain } from './domains.ts';
import { ECOMMERCE_PATTERNS } from './patterns/ecommerce.ts';
import { FINTECH_PATTERNS } from './patterns/fintech.ts';
import { GAMING_PATTERNS } from './patterns/gaming.ts';
import type { Rng } from './prng.ts';
import type { Pattern } from './sequence.ts';
import type { World } from './world.ts';

/** All sixteen: seven regular ones and nine frauds. */
export const PATTERNS: readonly Pattern[] = [...GAMING_PATTERNS, ...FINTECH_PATTERNS, ...ECOMMERCE_PATTERNS];

/** What an actor does when nothing is wrong. */
export function regularPatternOf(actor: Actor): Pattern {
  return patternNamed(REGULAR_OF_SEGMENT[actor.segment]);
}

/** Now and then it is not the regular who comes, but somebody new. */
export function orNewcomer(world: World, actor: Actor, rng: Rng): Actor {
  return rng.chance(0.06) ? world.newcomer(actor.domain, rng) : actor;
}

/** A fraud of the domain, in proportion to the weights. */
export function pickFraud(domain: Domain, rng: Rng): Pattern {
  return rng.weighted(FRAUDS[domain]);
}

/** The fraud that a person calls `takeover` or `fraud_account_takeover`; undefined when there is none. */
export function findFraud(word: string): Pattern | undefined {
  return PATTERNS.find(({ name, fraud }) => fraud && (name === word || name.includes(word)));
}

/**
 * Whom `pattern` happens to: a regular whom `accepts` takes (signed up by then, say) and whom the
 * pattern suits; after 500 refusals the last one. Pure but for `rng`.
 */
export function castActor(
  world: World,
  rng: Rng,
  wanted: { readonly pattern: Pattern; readonly accepts: (actor: Actor) => boolean },
): Actor {
  const { pattern, accepts } = wanted;
  let actor = world.pickActor(pattern.domain, rng);
  for (let tries = 0; tries < 500; tries += 1) {
    if (accepts(actor) && (pattern.suits?.(actor) ?? true)) return actor;
    actor = world.pickActor(pattern.domain, rng);
  }
  return actor;
}

// === Helpers ===

const REGULAR_OF_SEGMENT: Readonly<Record<Actor['segment'], string>> = {
  casual: 'regular_casual_player',
  whale: 'regular_whale_spender',
  grinder: 'regular_grinder',
  saver: 'regular_saver',
  bill_payer: 'regular_bill_payer',
  business: 'regular_bill_payer',
  shopper: 'regular_shopper',
  window_shopper: 'regular_window_shopper',
};

const BY_NAME = new Map(PATTERNS.map((pattern) => [pattern.name, pattern]));

const FRAUDS: Readonly<Record<Domain, readonly Pattern[]>> = {
  gaming: GAMING_PATTERNS.filter(({ fraud }) => fraud),
  fintech: FINTECH_PATTERNS.filter(({ fraud }) => fraud),
  ecommerce: ECOMMERCE_PATTERNS.filter(({ fraud }) => fraud),
};

function patternNamed(name: string): Pattern {
  const pattern = BY_NAME.get(name);
  if (pattern === undefined) throw new RangeError(`no pattern ${name}`);
  return pattern;
}
