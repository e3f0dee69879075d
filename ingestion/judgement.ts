/** What the decoder says about one record. */

/** Where a bad record failed: its bytes, its fields, its key, a rule of the contract, its time. */
export type BadStage = 'value' | 'schema' | 'key' | 'rule' | 'time';

export type BadCode =
  | 'NULL_VALUE'
  | 'EMPTY_VALUE'
  | 'TOO_LARGE'
  | 'INVALID_UTF8'
  | 'INVALID_JSON'
  | 'TOO_DEEP'
  | 'NOT_AN_OBJECT'
  | 'MISSING_FIELD'
  | 'WRONG_TYPE'
  | 'MISSING_KEY'
  | 'KEY_MISMATCH'
  | 'RULE_BROKEN'
  | 'NO_ARRIVAL'
  | 'IN_THE_FUTURE'
  | 'TOO_OLD';

export interface GoodRecord {
  readonly kind: 'good';
  /** One JSON object without a newline that holds fields of the contract only, each of its type. */
  readonly json: Uint8Array;
  /** The same as text. */
  readonly text: string;
  readonly eventTimeMs: number;
  /** Unknown fields as a JSON object by path; undefined when there were none. */
  readonly rescued: string | undefined;
}

export interface BadRecord {
  readonly kind: 'bad';
  readonly code: BadCode;
  readonly stage: BadStage;
  /** For people: which field, which rule, which time. */
  readonly detail: string;
}

export type Judgement = GoodRecord | BadRecord;

/** A verdict about a part of a record, before it is known whether the whole is good. */
export function bad(stage: BadStage, code: BadCode, detail: string): BadRecord {
  return { kind: 'bad', code, stage, detail };
}
