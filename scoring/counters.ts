import type { BadCode } from '../ingestion/judgement.ts';
import { type Decision, REASON_CODES, type ReasonCode } from './decision.ts';

/** What a decider has done since it was made; only ever grows. Read it, do not write it. */
export interface ScoringCounters {
  batches: number;
  /** Rows that a deciding model was asked about. */
  scoredRows: number;
  readonly decisions: Record<Decision['decision'], number>;
  /** Decisions without a model's word, by why. */
  readonly unscored: Record<ReasonCode, number>;
  /** Bad records by what is wrong with them. */
  readonly badRecords: Partial<Record<BadCode | 'KNOWN_BAD', number>>;
  /** Scored decisions by version of the model, then by class. */
  readonly predictions: Record<string, Record<string, number>>;
  /** Batches in which a model that does not decide failed. */
  shadowFailures: number;
}

export function createCounters(): ScoringCounters {
  return {
    batches: 0,
    scoredRows: 0,
    decisions: { approve: 0, review: 0, decline: 0 },
    unscored: Object.fromEntries(REASON_CODES.map((code) => [code, 0])) as Record<ReasonCode, number>,
    badRecords: {},
    predictions: {},
    shadowFailures: 0,
  };
}
