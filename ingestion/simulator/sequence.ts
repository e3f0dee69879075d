import { type Actor, openSession, type Session } from './actor.ts';
import type { Domain } from './domains.ts';
import type { Draft } from './event.ts';
import type { Rng } from './prng.ts';
import type { World } from './world.ts';

/** One event of a sequence, `afterMs` after its first one. */
export interface Step {
  readonly afterMs: number;
  readonly draft: Draft;
}

/** What a pattern may look at when it plans a sequence. */
export interface Scene {
  readonly world: World;
  readonly rng: Rng;
  /** How long before the world's present the sequence starts; 0 in live traffic. */
  readonly ageMs: number;
  /** Who it happens to, or who does it, unless the pattern makes somebody up. */
  readonly actor: Actor;
}

/** A kind of behaviour: the name is the ground truth and never travels in an event. */
export interface Pattern {
  readonly name: string;
  readonly domain: Domain;
  readonly fraud: boolean;
  /** Share among the fraud patterns of its domain; regular patterns follow from the actors' segments. */
  readonly weight: number;
  /** Whom it can happen to; everybody when absent. */
  readonly suits?: (actor: Actor) => boolean;
  /** Steps in order of `afterMs`; the first at 0. Pure but for `scene.rng`. */
  readonly plan: (scene: Scene) => Step[];
}

/** `count` moments from 0 on, the gaps drawn by `gapMs`. */
export function moments(count: number, gapMs: () => number): number[] {
  const times: number[] = [];
  let atMs = 0;
  for (let n = 0; n < count; n += 1) {
    times.push(Math.round(atMs));
    atMs += Math.max(1, gapMs());
  }
  return times;
}

export function sessionOf({ actor, rng, ageMs }: Scene): Session {
  return openSession(actor, rng, ageMs);
}

/** Seconds of a visit so far: `startSec` at its first event, then as time goes by. */
export function sessionSeconds(startSec: number, afterMs: number): number {
  return Math.min(604_800, Math.round(startSec + afterMs / 1_000));
}

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
