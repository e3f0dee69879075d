import type { Contract } from '../ingestion/contract.ts';
import { compileDecoder, type RawRecord } from '../ingestion/decoder.ts';
import type { BadRecord } from '../ingestion/judgement.ts';
import type { PartitionIdentity } from '../ingestion/partitionIdentity.ts';
import type { FeatureRecord } from '../transforms/featureInputs.ts';
import type { FeatureSet } from '../transforms/featureSet.ts';
import { createStreamState } from '../transforms/featureStream.ts';
import type { GoldView } from '../transforms/goldView.ts';
import { featureListHash, featureListOf } from './vectorCodec.ts';
import { createLetters } from './vectorStatus.ts';

/** A good record that was judged when it landed, as its bronze row has it. */
export interface KnownGood extends FeatureRecord {
  readonly kind: 'good';
}

/** A bad record that was judged when it landed. `key`: as text, empty where it has none. */
export interface KnownBad {
  readonly kind: 'bad';
  readonly key: string;
}

/** From Kafka, or from bronze where Kafka has it no more. */
export type LaneRecord = RawRecord | KnownGood | KnownBad;

export type Judged = FeatureRecord | BadRecord | KnownBad;

/** One partition of one incarnation of a topic: judges its records and holds their windows. */
export interface Lane {
  readonly place: PartitionIdentity;
  readonly set: FeatureSet;
  /** Hash of the list that vectors of this lane follow, see `vectorCodec.ts`. */
  readonly featureList: string;
  /** As landing judges it; nothing joins the windows. hot path */
  judge(record: LaneRecord): Judged;
  /** A record joins the windows without being decided, if it is good: restoring. hot path */
  fold(record: LaneRecord): void;
  /**
   * The vector of a good record from what came before it into `vector`, then it joins the windows. Says
   * its statuses in `STATUS_LETTERS`. hot path
   */
  next(record: FeatureRecord): string;
  /** Of the last `next`; overwritten by the following one. */
  readonly vector: Float32Array;
  /** How far the gold values of the last vector are behind, in seconds; 0 when they are not or there are none. */
  readonly goldAgeS: number;
  /** Forgets keys that no later record can reach; says how many. */
  sweep(arrivedAtMs: number): number;
  readonly keys: number;
}

export interface LaneParts {
  readonly place: PartitionIdentity;
  readonly set: FeatureSet;
  /** Of the set's table, in the version in force there. */
  readonly contract: Contract;
  /** Undefined: there are no marts. One object for as long as the lane lives; its content may move on. */
  readonly gold?: GoldView | undefined;
}

/** A lane with empty windows. */
export function createLane({ place, set, contract, gold }: LaneParts): Lane {
  const decoder = compileDecoder(contract);
  const stream = createStreamState(set, gold);
  const lettersOf = createLetters();
  const hasMarts = () => gold !== undefined && gold.closedToMs > Number.NEGATIVE_INFINITY;
  const vector = new Float32Array(set.features.length);
  const judge = (record: LaneRecord): Judged => {
    if ('kind' in record) return record;
    const judgement = decoder.judge(record);
    if (judgement.kind === 'bad') return judgement;
    const value = JSON.parse(judgement.text) as FeatureRecord['value'];
    const { eventTimeMs } = judgement;
    return { key: String(record.key), value, eventTimeMs, arrivedAtMs: record.arrivedAtMs };
  };
  return {
    place,
    set,
    featureList: featureListHash(featureListOf(set)),
    judge,
    fold: (record) => {
      const judged = judge(record);
      if (!isBad(judged)) stream.fold(judged);
    },
    vector,
    next: (record) => lettersOf(stream.next(record, vector), stream.gold.statuses, hasMarts()),
    get goldAgeS() {
      return Number.isFinite(stream.gold.ageS) ? stream.gold.ageS : 0;
    },
    sweep: (arrivedAtMs) => stream.sweep(arrivedAtMs),
    get keys() {
      return stream.keys;
    },
  };
}

/** Whether what `judge` said is that a record is bad. */
export function isBad(judged: Judged): judged is BadRecord | KnownBad {
  return 'kind' in judged && judged.kind === 'bad';
}

/** The key of a bad record as text; empty where it has none, the first 1,000 characters of a monster. Pure. */
export function keyOfBad(record: LaneRecord): string {
  const key = record.key === null ? '' : record.key.toString();
  return key.slice(0, MAX_KEY_LENGTH).toWellFormed();
}

// === Helpers ===

const MAX_KEY_LENGTH = 1_000;
