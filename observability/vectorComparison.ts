import { decodeVector } from '../scoring/vectorCodec.ts';
import { decodeStatuses, type VectorStatus } from '../scoring/vectorStatus.ts';
import type { FeatureSet } from '../transforms/featureSet.ts';
import { statusesBehind } from './statusesBehind.ts';

/** How often a logged value was that of the back-fill. `apart`: not compared, its status says it is incomplete. */
export interface FeatureCounts {
  readonly name: string;
  compared: number;
  equal: number;
  /** Both have a value, and they differ. */
  mismatch: number;
  /** Logged as missing, the back-fill has a value. */
  missing: number;
  /** Logged with a value, missing in the back-fill. */
  extra: number;
  apart: number;
}

export interface Difference {
  readonly decisionId: string;
  readonly feature: string;
  readonly logged: number;
  readonly derived: number;
}

/** A vector as it was logged, and as the back-fill gives it. */
export interface VectorPair {
  readonly decisionId: string;
  readonly logged: string;
  readonly statuses: string;
  readonly derived: readonly number[];
  readonly derivedStatus: string;
}

export interface VectorComparison {
  /** Compares the bits of all values that are complete. hot path */
  add(pair: VectorPair): void;
  readonly counts: readonly FeatureCounts[];
  /** Logged vectors that have not as many values as the list, or letters that are none. */
  readonly unreadable: number;
  /** Vectors whose windows were too late for one side only. */
  readonly statusDiffers: number;
}

/** Compares vectors of one source; keeps the first differences in `examples`. */
export function createComparison(set: FeatureSet, examples: Difference[]): VectorComparison {
  const counts = set.features.map(({ entry: { name } }): FeatureCounts => {
    return { name, compared: 0, equal: 0, mismatch: 0, missing: 0, extra: 0, apart: 0 };
  });
  const behind = statusesBehind(set);
  let [unreadable, statusDiffers] = [0, 0];
  const note = (difference: Difference) => {
    if (examples.length < SHOWN) examples.push(difference);
  };
  const compare = (count: FeatureCounts, decisionId: string, [logged, derived]: [number, number]): void => {
    count.compared += 1;
    if (Object.is(logged, derived)) {
      count.equal += 1;
      return;
    }
    if (Number.isNaN(logged)) count.missing += 1;
    else if (Number.isNaN(derived)) count.extra += 1;
    else count.mismatch += 1;
    note({ decisionId, feature: count.name, logged, derived });
  };
  return {
    counts,
    get unreadable() {
      return unreadable;
    },
    get statusDiffers() {
      return statusDiffers;
    },
    add: ({ decisionId, logged, statuses, derived, derivedStatus }) => {
      const vector = decodeVector(logged);
      const said = decodeStatuses(statuses);
      if (vector.length !== counts.length || said === undefined || said.length !== behind.names.length) {
        unreadable += 1;
        return;
      }
      // Late for the log is late for everybody: both are functions of the record.
      if (said[0] !== derivedStatus) statusDiffers += 1;
      for (const [index, count] of counts.entries()) {
        if (!behind.places[index]?.every((place) => isComplete(said[place]))) count.apart += 1;
        else compare(count, decisionId, [vector[index] as number, derived[index] as number]);
      }
    },
  };
}

// === Helpers ===

const SHOWN = 20;

function isComplete(status: VectorStatus | undefined): boolean {
  return status === 'PRESENT' || status === 'NOT_FOUND';
}
