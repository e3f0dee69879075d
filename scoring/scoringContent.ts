import type { GoldStatus } from '../transforms/goldView.ts';
import type { Floors } from './training/gates.ts';
import type { TreeOptions } from './training/treeTraining.ts';

/** What a user edits about models and outcomes; the engine knows no class by name. */
export interface ScoringContent {
  /** Class 0 is the regular one; the others are the types that labels name. */
  readonly classNames: readonly string[];
  readonly policy: Policy;
  readonly training: TrainingSettings;
}

export interface Policy {
  /** How many reviews and declines people can look at; the review threshold of a model is chosen for it. */
  readonly alertsPerDay: number;
  /** The decline threshold is the lowest from which on at least this share of calibration rows is fraud. */
  readonly declinePrecision: number;
  /** From this share of the review threshold on the risk tier is medium. */
  readonly mediumFrom: number;
  /** What is done about a vector that is not complete. `score`: the model decides with what is there. */
  readonly onStatus: Readonly<
    Record<'TOO_LATE' | Exclude<GoldStatus, 'PRESENT' | 'NOT_FOUND'>, 'review' | 'score'>
  >;
  /** How many contributions a review or decline names. */
  readonly maxReasons: number;
}

/** Lengths in milliseconds; slices end at T − maturity, the newest is for validation. */
export interface TrainingSettings {
  readonly historyMs: number;
  /** An event that has no label by then is regular. */
  readonly maturityMs: number;
  readonly calibrationMs: number;
  readonly validationMs: number;
  /** Of the training slice: when there are more rows, the oldest are left out. About 1 kB of memory each. */
  readonly maxRows: number;
  /** The first part of the history feeds windows only: windows that begin before the history are cut. */
  readonly warmUpMs: number;
  readonly labels: LabelSource;
  /** How the forest is grown, where not as usual; choose on the calibration slice. */
  readonly trees?: Partial<TreeOptions>;
  /** Gate G3: what a model must find at least; classes by name, at the budget of the policy. */
  readonly floors: Floors;
}

/** Where the classes of events are, as they were known at any time. */
export interface LabelSource {
  /** Every revision of every label. */
  readonly table: string;
  /** Its column with the time from which on a row was known. */
  readonly knownAt: string;
  /** The view over `table` that gives an event's one label; of the rows known by T it gives the one as of T. */
  readonly view: string;
  /** Column of the view: the event, by the features' `eventId`. */
  readonly event: string;
  /** Expression over the view: the name of the class; null leaves the event out. */
  readonly className: string;
}
