import type { GoldStatus } from '../transforms/goldView.ts';

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
  readonly maturityMs: number;
  readonly calibrationMs: number;
  readonly validationMs: number;
  /** Events of a source's first days are left out: their windows are cut. */
  readonly warmUpMs: number;
  /** Newest labels, with every revision; and the events that they are about by the features' `eventId`. */
  readonly labels: string;
}
