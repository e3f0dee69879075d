import type { FeatureSet } from '../../../transforms/featureSet.ts';
import { createStreamState, forgettableBefore } from '../../../transforms/featureStream.ts';
import type { GoldView } from '../../../transforms/goldView.ts';
import type { OracleVector } from './oracle.ts';
import type { Random, StreamRecord } from './randomStream.ts';

export interface Vector {
  readonly status: string;
  readonly values: readonly number[];
}

/** Vectors of the stream; `restartAt` says before which records a new state is made from the earlier ones. */
export function streamVectors(
  set: FeatureSet,
  records: readonly StreamRecord[],
  {
    restartAt = () => false,
    createState = createStreamState,
    view,
  }: {
    readonly restartAt?: (index: number) => boolean;
    readonly createState?: typeof createStreamState;
    readonly view?: GoldView;
  } = {},
): Vector[] {
  let state = createState(set, view);
  const out = new Float32Array(set.features.length);
  return records.map((record, index) => {
    if (restartAt(index)) {
      state = createState(set, view);
      const earlier = records.slice(0, index);
      const cutMs = forgettableBefore(set, earlier.at(-1)?.arrivedAtMs ?? 0);
      for (const one of earlier) if (one.eventTimeMs > cutMs) state.fold(one);
    }
    if (index % 50 === 49) state.sweep(record.arrivedAtMs);
    return { status: state.next(record, out), values: [...out] };
  });
}

export function someRestarts(random: Random): (index: number) => boolean {
  return () => random.below(60) === 0;
}

export function placeOf({ partition, topicId, offset }: StreamRecord): string {
  return `${partition}/${topicId}/${offset}`;
}

/** Libraries may differ in the last bit of a logarithm or a sine: of the oracle's, not of ours. */
const TRANSCENDENTAL = new Set(['amt_log', 'hour_sin', 'hour_cos']);

/** How many values differ, and the first of them; statuses count as one. */
export function differences(
  set: FeatureSet,
  found: readonly (Vector | undefined)[],
  wanted: readonly OracleVector[],
): { count: number; first: string | undefined } {
  let count = 0;
  let first: string | undefined;
  const note = (text: string) => {
    count += 1;
    first ??= text;
  };
  for (const [index, { status, values }] of wanted.entries()) {
    const vector = found[index];
    if (vector?.status !== status) note(`${index}: ${vector?.status} instead of ${status}`);
    for (const [i, { entry }] of set.features.entries()) {
      const [is, want] = [vector?.values[i] ?? Number.POSITIVE_INFINITY, values[entry.name]];
      if (want === undefined) throw new Error(`the oracle does not know ${entry.name}`);
      const isSame = TRANSCENDENTAL.has(entry.name) ? isNear(is, want) : Object.is(is, want);
      if (!isSame) note(`${index}: ${entry.name} is ${is} instead of ${want}`);
    }
  }
  return { count, first };
}

// === Helpers ===

function isNear(a: number, b: number): boolean {
  return Object.is(a, b) || Math.abs(a - b) <= 1e-7 * Math.max(1, Math.abs(b));
}
