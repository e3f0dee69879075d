import { castActor, PATTERNS } from '../../../ingestion/simulator/casting.ts';
import type { Draft } from '../../../ingestion/simulator/event.ts';
import { HISTORY_LABEL_DELAY } from '../../../ingestion/simulator/labelling.ts';
import {
  createLiveStream,
  NO_IRREGULARITIES,
  type SimulatedRecord,
  type StreamOptions,
} from '../../../ingestion/simulator/liveStream.ts';
import { Rng } from '../../../ingestion/simulator/prng.ts';
import type { Pattern, Step } from '../../../ingestion/simulator/sequence.ts';
import { createWorld, type World } from '../../../ingestion/simulator/world.ts';

export const END_MS = Date.parse('2026-03-01T12:00:00Z');

export const smallWorld: World = createWorld({ seed: 7, actorsPerDomain: 200 });

function patternNamed(name: string): Pattern {
  const pattern = PATTERNS.find((candidate) => candidate.name === name);
  if (pattern === undefined) throw new Error(`no pattern ${name}`);
  return pattern;
}

/** `count` sequences of the pattern, each with its actor. */
export function sequencesOf(name: string, count = 200) {
  const pattern = patternNamed(name);
  return Array.from({ length: count }, (_, n) => {
    const rng = new Rng('test', name, n);
    const actor = castActor(smallWorld, rng, { pattern, accepts: () => true });
    return { actor, steps: pattern.plan({ world: smallWorld, rng, actor, ageMs: 0 }) };
  });
}

/** The drafts of a sequence that belong to one domain. */
export function draftsOf<D extends Draft['domain']>(steps: readonly Step[], domain: D) {
  return steps.map(({ draft }) => {
    if (draft.domain !== domain) throw new Error(`a ${draft.domain} event in ${domain}`);
    return draft as Extract<Draft, { domain: D }>;
  });
}

export function gapsOf(steps: readonly Step[]): number[] {
  return steps.slice(1).map(({ afterMs }, index) => afterMs - (steps[index]?.afterMs ?? 0));
}

/** The first `count` records of a live stream. */
export function liveRecords(count: number, options: Partial<StreamOptions> = {}): SimulatedRecord[] {
  const stream = createLiveStream({
    world: smallWorld,
    domains: ['gaming', 'fintech', 'ecommerce'],
    ratePerMinute: 10_000,
    startMs: END_MS,
    fraudRate: 0.02,
    labelDelay: HISTORY_LABEL_DELAY,
    irregularities: NO_IRREGULARITIES,
    ...options,
  });
  return Array.from({ length: count }, () => stream.next());
}

export function share<T>(items: readonly T[], holds: (item: T) => boolean): number {
  return items.filter(holds).length / items.length;
}
