import { hourDensity } from './actor.ts';
import { castActor, orNewcomer, pickFraud, regularPatternOf } from './casting.ts';
import { damageRecord } from './damage.ts';
import { type Domain, TOPIC_OF } from './domains.ts';
import { createDueQueue } from './dueQueue.ts';
import { type Draft, renderEvent, scaleAmounts } from './event.ts';
import { type LabelDelay, type LabelRecord, labelsOf } from './labelling.ts';
import { Rng } from './prng.ts';
import type { Pattern } from './sequence.ts';
import { SEQUENCES_PER_ACTOR_DAY } from './timeline.ts';
import type { Truth } from './truth.ts';
import type { World } from './world.ts';

/** Shares of the records, 0 to 1, that something unusual happens to, and what happens later on. */
export interface Irregularities {
  readonly late: number;
  readonly duplicates: number;
  readonly bad: number;
  readonly unknownFields: number;
  /** From `atMs` after the start all amounts are multiplied. */
  readonly drift?: { readonly factor: number; readonly atMs: number };
  /** For five minutes from `atMs` after the start a third of all new sequences are of this fraud. */
  readonly attack?: { readonly pattern: Pattern; readonly atMs: number };
}

export const NO_IRREGULARITIES: Irregularities = { late: 0, duplicates: 0, bad: 0, unknownFields: 0 };

export interface StreamOptions {
  readonly world: World;
  readonly domains: readonly Domain[];
  readonly ratePerMinute: number;
  /** Wall clock at the first record, in ms since 1970: the stream is a function of it and of the seed. */
  readonly startMs: number;
  readonly fraudRate: number;
  readonly labelDelay: LabelDelay;
  readonly irregularities: Irregularities;
}

export interface SimulatedRecord {
  readonly topic: string;
  readonly key: string | null;
  readonly value: string | Uint8Array | null;
  /** When the record is due, in ms since 1970; its `CreateTime`. */
  readonly timestampMs: number;
  readonly truth: Truth;
  /** What was done to it, of the words in the report. */
  readonly irregularities: readonly string[];
  /** What becomes known about it later. */
  readonly labels: readonly LabelRecord[];
}

export interface LiveStream {
  /** The next record; there is always one. */
  next(): SimulatedRecord;
  /** Everything from now on happens `ms` later than planned: the sender could not keep up. */
  postpone(ms: number): void;
}

/**
 * Endless traffic with one record every `1 / ratePerMinute`. Who begins a sequence when is drawn from
 * the seed; the steps of a sequence are stretched or squeezed to the pace, so that a busy hour shows
 * whole sequences, mixed with everything else. Pure but for its own state.
 */
export function createLiveStream(options: StreamOptions): LiveStream {
  const { startMs, ratePerMinute } = options;
  const rng = new Rng(options.world.seed, 'live', startMs);
  const steps = createStepSource(options, rng);
  const duplicates = createDueQueue<SimulatedRecord>();
  let slot = 0;
  let postponedMs = 0;
  const next = (): SimulatedRecord => {
    const offsetMs = (slot * 60_000) / ratePerMinute;
    slot += 1;
    const timestampMs = Math.round(startMs + postponedMs + offsetMs);
    const again = duplicates.takeDue(slot);
    if (again !== undefined) {
      return { ...again, timestampMs, irregularities: [...again.irregularities, 'duplicate'], labels: [] };
    }
    const record = finish(options, rng, { ...steps.next(offsetMs, timestampMs), offsetMs, timestampMs });
    if (rng.chance(options.irregularities.duplicates)) duplicates.add(slot + rng.int(1, 300), record);
    return record;
  };
  return {
    next,
    postpone: (ms) => {
      postponedMs += ms;
    },
  };
}

// === Helpers ===

interface DueStep {
  readonly draft: Draft;
  readonly truth: Truth;
}

/** Steps of a sequence keep at least this distance, however fast the stream runs. */
const MIN_GAP_MS = 200;

const ATTACK_MS = 5 * 60_000;
const ATTACK_SHARE = 1 / 3;

/** Steps that are due, else the first step of a new sequence. */
function createStepSource(options: StreamOptions, rng: Rng) {
  const queue = createDueQueue<DueStep>();
  const squeeze = Math.min(1, naturalPerMinute(options) / options.ratePerMinute);
  let begun = 0;
  const begin = (offsetMs: number, timestampMs: number): DueStep => {
    const { pattern, actor } = chooseSequence(options, rng, { offsetMs, timestampMs });
    begun += 1;
    const sequenceId = begun;
    const steps = pattern.plan({ world: options.world, rng, actor, ageMs: 0 });
    const due = steps.map(({ afterMs, draft }, position) => ({
      dueMs: offsetMs + Math.max(position * MIN_GAP_MS, afterMs * squeeze),
      draft,
      truth: { eventId: rng.code(16), pattern: pattern.name, fraud: pattern.fraud, sequenceId, position },
    }));
    for (const step of due.slice(1)) queue.add(step.dueMs, step);
    return due[0] ?? begin(offsetMs, timestampMs);
  };
  return {
    next: (offsetMs: number, timestampMs: number) => queue.takeDue(offsetMs) ?? begin(offsetMs, timestampMs),
  };
}

/** Events a minute of this world when nobody hurries it. */
function naturalPerMinute({ world, domains }: StreamOptions): number {
  const perDay = domains.reduce((sum, domain) => sum + SEQUENCES_PER_ACTOR_DAY[domain] * 3.2, 0);
  return (perDay * world.actorsPerDomain) / 1_440;
}

function chooseSequence(
  { world, domains, fraudRate, irregularities }: StreamOptions,
  rng: Rng,
  moment: { offsetMs: number; timestampMs: number },
) {
  const anybody = () => true;
  const { attack } = irregularities;
  const sinceAttackMs = moment.offsetMs - (attack?.atMs ?? Number.POSITIVE_INFINITY);
  if (attack !== undefined && sinceAttackMs >= 0 && sinceAttackMs < ATTACK_MS && rng.chance(ATTACK_SHARE)) {
    return {
      pattern: attack.pattern,
      actor: castActor(world, rng, { pattern: attack.pattern, accepts: anybody }),
    };
  }
  const domain = rng.pick(domains);
  if (rng.chance(fraudRate)) {
    const pattern = pickFraud(domain, rng);
    return { pattern, actor: castActor(world, rng, { pattern, accepts: anybody }) };
  }
  const hourUtc = (moment.timestampMs / 3_600_000) % 24;
  let actor = world.pickActor(domain, rng);
  for (let tries = 0; tries < 8 && !rng.chance(hourDensity(actor, hourUtc)); tries += 1) {
    actor = world.pickActor(domain, rng);
  }
  const who = orNewcomer(world, actor, rng);
  return { pattern: regularPatternOf(who), actor: who };
}

/** Gives the step its time, does to it what was asked for, and renders it. */
function finish(
  { world, labelDelay, irregularities }: StreamOptions,
  rng: Rng,
  step: DueStep & { offsetMs: number; timestampMs: number },
): SimulatedRecord {
  const { truth, timestampMs, offsetMs } = step;
  const { late, bad, unknownFields, drift } = irregularities;
  const done: string[] = [];
  const does = (share: number, name: string) => {
    const hit = share > 0 && rng.chance(share);
    if (hit) done.push(name);
    return hit;
  };
  const eventTimeMs = timestampMs - (does(late, 'late') ? latenessMs(rng) : 0);
  const drifted = drift !== undefined && offsetMs >= drift.atMs;
  const draft = drifted ? scaleAmounts(step.draft, drift.factor) : step.draft;
  const rendered = renderEvent(draft, { eventId: truth.eventId, eventTimeMs });
  const value = does(unknownFields, 'unknown_field') ? withUnknownField(rendered, rng) : rendered;
  const good = { topic: TOPIC_OF[draft.domain], key: draft.actorId, value, timestampMs, truth };
  if (bad > 0 && rng.chance(bad)) {
    const { kind, ...damaged } = damageRecord(rng, good);
    return { ...good, ...damaged, irregularities: [...done, `bad:${kind}`], labels: [] };
  }
  const labels = labelsOf({ truth, eventTimeMs: timestampMs }, { seed: world.seed, delay: labelDelay });
  return { ...good, irregularities: done, labels };
}

/** Minutes as a rule, up to six hours. */
function latenessMs(rng: Rng): number {
  return Math.round(Math.min(6 * 3_600_000, rng.logNormal(10 * 60_000, 1.3)));
}

function withUnknownField(value: string, rng: Rng): string {
  const field = rng.pick([
    '"app_version":"5.2.1"',
    '"campaign":{"id":17,"name":"spring"}',
    '"beta_user":true',
  ]);
  return `${value.slice(0, -1)},${field}}`;
}
