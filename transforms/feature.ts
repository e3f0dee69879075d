/**
 * What content says about features: where the columns come from (`FeatureSource`, one a bronze table) and
 * what is computed from them (`FeatureEntry`, one list for all sources). Stream and SQL are compiled from both.
 */

/**
 * A column that features stand on, taken from fields of a good record. Fields are dotted paths; what is
 * absent or null is missing. Whole numbers beyond ±(2^53 − 1) are missing too.
 */
export type FeatureInput =
  /** Text, compared and counted only. */
  | { readonly kind: 'text'; readonly field: string }
  /** A number or a boolean (1 or 0) as it is. */
  | { readonly kind: 'number'; readonly field: string }
  | WholeInput
  /** `of` × rate of the seed's row for the text in `by`, rounded half to even: whole. */
  | {
      readonly kind: 'exchanged';
      readonly of: WholeInput;
      readonly by: string;
      readonly seed: string;
      /** Columns of the seed: what `by` is looked up in, and the rate as a decimal with at most 9 places. */
      readonly key: string;
      readonly rate: string;
    };

/** Numbers that are summed exactly: `field` × 10^scale, rounded half up. */
export type WholeInput =
  | { readonly kind: 'whole'; readonly field: string; readonly scale: number }
  /** Σ over the items of a list of (`each` × 10^scale, rounded) × `times`, the latter a whole number. */
  | {
      readonly kind: 'total';
      readonly field: string;
      readonly each: string;
      readonly times: string;
      readonly scale: number;
    };

export interface FeatureSource {
  /** As in `only` of an entry. */
  readonly name: string;
  readonly table: string;
  /** The field that says when it happened; features count its whole milliseconds. */
  readonly eventTime: string;
  /** The field that labels call the event by. */
  readonly eventId?: string;
  /** By the name that expressions use. `time_ms` and `hour` (0–23, UTC) of the event are always there. */
  readonly inputs: Readonly<Record<string, FeatureInput>>;
}

interface EntryBase {
  /** Column of the vector; lower snake case. */
  readonly name: string;
  /** Where the idea is catalogued. */
  readonly number: string;
  readonly description: string;
  /** Sources that have it; none: all of them. */
  readonly only?: readonly string[];
}

/** A pure function of the event: an expression over its inputs. */
interface EventEntry extends EntryBase {
  readonly kind: 'event';
  readonly expression: string;
}

/** An aggregate over earlier records of the key; the event itself is excluded. */
interface StreamEntry extends EntryBase {
  readonly kind: 'stream';
  readonly entity: 'key';
  readonly aggregation: Aggregation;
  /** The input that is aggregated; none for `count` and `seconds_since`. */
  readonly of?: string;
  /** At most `24h`; both ends included. */
  readonly window: string;
  /** Only records for which this expression over their inputs is true. */
  readonly where?: string;
  /** Only records that equal the event in these inputs. */
  readonly match?: readonly string[];
}

/** A pure function of the event's inputs and of features above it in the list. */
interface DerivedEntry extends EntryBase {
  readonly kind: 'derived';
  readonly expression: string;
}

/**
 * `count`, `distinct` and `sum` of nothing are 0, all else of nothing is missing. `sum`, `mean` and `sd`
 * (of the sample, from two on) need whole inputs, so that they are exact. `seconds_since` is the age of the newest record.
 */
export type Aggregation = 'count' | 'sum' | 'mean' | 'sd' | 'min' | 'max' | 'distinct' | 'seconds_since';

/**
 * An aggregate over all records of an entity that were visible at the event's grid point, whatever their
 * source, served from marts: of the hours in [asOf − window, asOf) before asOf = the grid point at or before
 * event time − grace.
 */
export interface GoldEntry extends EntryBase {
  readonly kind: 'gold';
  /** One of the content's entities. */
  readonly entity: string;
  readonly aggregation: GoldAggregation;
  /** The input that is aggregated, or `key` for the record's key; for `labels` one of the content's counts of labels. */
  readonly of?: string;
  /** At most `90d`, a multiple of the grid. */
  readonly window: string;
}

/**
 * As those of the stream. `distinct` is exact below 64 and an estimate from there on. `seconds_since_first`
 * and `seconds_since` are the ages of the window's oldest and newest record at the event. `labels` counts
 * events by the hour at which their label became known.
 */
export type GoldAggregation = Aggregation | 'seconds_since_first' | 'labels';

export type FeatureEntry = EventEntry | StreamEntry | GoldEntry | DerivedEntry;

/** Whom gold features are about. Its records are those of all sources that can name it. */
export interface FeatureEntity {
  readonly name: string;
  /** The text input that names it; none: the record's key. */
  readonly input?: string;
}

/** Where labels of events come from; texts other than names of fields are SQL over the fields. */
export interface FeatureLabels {
  readonly table: string;
  /** The field that holds the event's id, as the sources' `eventId`. */
  readonly event: string;
  /** Fields of a statement's identity and of its revision; the highest one known counts. */
  readonly statement: string;
  readonly revision: string;
  /** When it became known outside; here it is known when it has arrived, too. */
  readonly availableAt: string;
  /** Of the statements about an event the lowest rank counts, then the one known last. */
  readonly rank: string;
  /** What `labels` can count: predicates by name. */
  readonly counts: Readonly<Record<string, string>>;
}

export interface FeatureContent {
  readonly entries: readonly FeatureEntry[];
  readonly sources: readonly FeatureSource[];
  readonly entities?: readonly FeatureEntity[];
  readonly labels?: FeatureLabels;
}

export interface FeatureSettings {
  /** L: a record that arrives later than this after its event time is in no window. */
  readonly latenessMs: number;
  /** How many records before the event, by place, a window can hold. */
  readonly ringRecords: number;
  /** Length of the tiles, and how far apart the points are at which they are closed. */
  readonly gridMs: number;
  /** A grid point serves events from this much later on. */
  readonly graceMs: number;
  /** Gold values of grid points older than this are not served; of no influence on values. */
  readonly goldMaxAgeMs: number;
}

export const FEATURE_SETTINGS: FeatureSettings = {
  latenessMs: 3_600_000,
  ringRecords: 1_000,
  gridMs: 3_600_000,
  graceMs: 15 * 60_000,
  goldMaxAgeMs: 6 * 3_600_000,
};

/** Windows of the stream end here. */
export const MAX_WINDOW_MS = 86_400_000;

/** Windows over tiles end here. */
export const MAX_GOLD_WINDOW_MS = 90 * 86_400_000;

/** The grid point that serves an event of this time, both in ms. Pure. */
export function asOfMs({ gridMs, graceMs }: FeatureSettings, eventTimeMs: number): number {
  return Math.floor((eventTimeMs - graceMs) / gridMs) * gridMs;
}

/** `PRESENT`: computed, a value may still be missing (NaN). `TOO_LATE`: the event was later than L. */
export type StreamStatus = 'PRESENT' | 'TOO_LATE';
