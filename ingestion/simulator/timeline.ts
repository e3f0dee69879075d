import { type Actor, DAY_MS, usualHourOf } from './actor.ts';
import { castActor, orNewcomer, pickFraud, regularPatternOf } from './casting.ts';
import type { Domain } from './domains.ts';
import { type Draft, renderEvent } from './event.ts';
import { Rng } from './prng.ts';
import type { Pattern } from './sequence.ts';
import type { Truth } from './truth.ts';
import type { World } from './world.ts';

/** An event of the past. */
export interface PastEvent {
  readonly key: string;
  readonly value: string;
  readonly eventTimeMs: number;
  readonly arrivedAtMs: number;
  readonly truth: Truth;
}

/** How many sequences a regular starts a day, on average; with them each domain has some 1.3 events. */
export const SEQUENCES_PER_ACTOR_DAY: Readonly<Record<Domain, number>> = {
  gaming: 0.41,
  fintech: 0.39,
  ecommerce: 0.54,
};

export interface TimelineOptions {
  readonly world: World;
  readonly domain: Domain;
  /** The world's present; nothing happens or arrives after it. */
  readonly endMs: number;
  readonly days: number;
  /** Share of the sequences that are frauds. */
  readonly fraudRate: number;
}

/** All events of a domain that arrived within `days` before `endMs`, in order of arrival. Pure. */
export function pastEvents(options: TimelineOptions): PastEvent[] {
  const events: PastEvent[] = [];
  const regular = regularSequences(options, events);
  fraudSequences(options, Math.round((regular * options.fraudRate) / (1 - options.fraudRate)), events);
  return events.sort((x, y) => x.arrivedAtMs - y.arrivedAtMs || (x.truth.eventId < y.truth.eventId ? -1 : 1));
}

// === Helpers ===

/** @returns how many sequences were begun */
function regularSequences(options: TimelineOptions, events: PastEvent[]): number {
  const { world, domain, days, endMs } = options;
  const perDay = world.actorsPerDomain * SEQUENCES_PER_ACTOR_DAY[domain];
  let begun = 0;
  for (let index = 0; index < world.actorsPerDomain; index += 1) {
    const actor = world.actor(domain, index);
    const rng = new Rng(world.seed, 'history', domain, index);
    const activeDays = Math.min(days, actor.signupAgeMs / DAY_MS);
    const count = wholeOf(rng, world.activity(index) * perDay * activeDays);
    for (let n = 0; n < count; n += 1) {
      const who = orNewcomer(world, actor, rng);
      const startMs = awakeAt(who, rng, endMs - rng.next() * activeDays * DAY_MS);
      const sequenceId = index * 100_000 + n;
      addSequence(options, { pattern: regularPatternOf(who), actor: who, rng, startMs, sequenceId }, events);
    }
    begun += count;
  }
  return begun;
}

function fraudSequences(options: TimelineOptions, count: number, events: PastEvent[]): void {
  const { world, domain, days, endMs } = options;
  for (let n = 0; n < count; n += 1) {
    const rng = new Rng(world.seed, 'fraud', domain, n);
    const pattern = pickFraud(domain, rng);
    const momentMs = endMs - rng.next() * days * DAY_MS;
    const accepts = (actor: Actor) => endMs - actor.signupAgeMs < momentMs - DAY_MS;
    const actor = castActor(world, rng, { pattern, accepts });
    const startMs = rng.chance(0.5) ? momentMs : awakeAt(actor, rng, momentMs);
    addSequence(options, { pattern, actor, rng, startMs, sequenceId: 1_000_000_000 + n }, events);
  }
}

interface Begun {
  readonly pattern: Pattern;
  readonly actor: Actor;
  readonly rng: Rng;
  readonly startMs: number;
  readonly sequenceId: number;
}

function addSequence(options: TimelineOptions, begun: Begun, events: PastEvent[]): void {
  const { world, endMs, days } = options;
  const { pattern, actor, rng, startMs, sequenceId } = begun;
  const firstMs = endMs - days * DAY_MS;
  const steps = pattern.plan({ world, rng, actor, ageMs: endMs - startMs });
  steps.forEach(({ afterMs, draft }, position) => {
    const eventTimeMs = Math.round(startMs + afterMs);
    const arrivedAtMs = eventTimeMs + arrivalDelayMs(rng);
    const eventId = rng.code(16);
    if (eventTimeMs < firstMs || arrivedAtMs > endMs) return;
    const truth = { eventId, pattern: pattern.name, fraud: pattern.fraud, sequenceId, position };
    events.push(pastEvent(draft, { eventTimeMs, arrivedAtMs, truth }));
  });
}

function pastEvent(draft: Draft, facts: Omit<PastEvent, 'key' | 'value'>): PastEvent {
  const { eventTimeMs, truth } = facts;
  return { key: draft.actorId, value: renderEvent(draft, { eventId: truth.eventId, eventTimeMs }), ...facts };
}

/** Seconds as a rule; a few wait for minutes in a queue, a few for hours in a pocket. */
function arrivalDelayMs(rng: Rng): number {
  const roll = rng.next();
  if (roll < 0.003) return Math.round(rng.between(1, 6) * 3_600_000);
  if (roll < 0.015) return Math.round(rng.between(1, 30) * 60_000);
  return Math.round(Math.min(60_000, rng.logNormal(1_500, 0.8)));
}

/** The actor's usual hours on the day (UTC) of `momentMs`. */
function awakeAt(actor: Actor, rng: Rng, momentMs: number): number {
  return Math.floor(momentMs / DAY_MS) * DAY_MS + Math.floor(usualHourOf(actor, rng) * 3_600_000);
}

/** A whole number whose mean is `expected`. */
function wholeOf(rng: Rng, expected: number): number {
  const spread = Math.max(0, expected + rng.normal() * Math.sqrt(expected));
  return Math.floor(spread) + (rng.chance(spread % 1) ? 1 : 0);
}
