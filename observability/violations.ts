/** What `verify` can find wrong; the codes are stable. */
export const VIOLATION_CODES = {
  CHAIN_BROKEN: 'a landing commit does not start where the one before it ended',
  CHAIN_COUNTS: 'a landing commit does not add what it says it fetched',
  CHAIN_TXN: 'the progress of a partition moved without the rows that explain it',
  CHAIN_UNEXPLAINED_FILES: 'a commit adds rows that no landing accounts for',
  CHAIN_ROWS_REMOVED: 'a commit removes rows of a bronze table',
  CHAIN_REARRANGED: 'a commit that should only re-arrange rows changes their number',
  CHAIN_UNREADABLE: 'the chain of commits cannot be followed',
  FILES_MISSING: 'a live data file is not in the store',
  FILES_COUNT: 'the live files do not hold the rows that the chain landed',
  ROWS_COUNT: 'the rows of a partition are not those that were landed',
  ROWS_BAD_COUNT: 'the bad rows of a partition are not those that were landed',
  ROWS_OUTSIDE: 'rows lie outside of the offsets that were landed',
  ROWS_DUPLICATED: 'an offset is there more than once',
  ROWS_REARRANGED: 'rows were lost, doubled or judged anew when files were re-arranged',
  KAFKA_MISSING: 'records that Kafka has are not in the table',
  KAFKA_UNKNOWN: 'the table has offsets that Kafka does not give',
  KAFKA_LOG_ENDS_EARLY: 'the progress lies beyond the end of the log in Kafka',
  DECISIONS_MISSING: 'records that the scorer has passed have no decision',
  DECISIONS_UNKNOWN: 'there are decisions about what is no record, or was not to be decided',
  DECISIONS_MISPLACED: 'a decision is not in the partition of its record, or names none',
  DECISIONS_POSITION: 'the position noted for the scorer is not that of the decisions',
  CLOSINGS_BROKEN: 'grid points show what cannot be: a gap, a step back, or what has not landed',
  KEYS_DUPLICATED: 'a key that identifies a row is there more than once',
  RELEASE_NOT_CLOSED:
    'a released table was computed from another version of its source than the released one',
  RELEASE_UNREADABLE: 'a release names what is not there',
} as const;

export type ViolationCode = keyof typeof VIOLATION_CODES;

/** One thing that is wrong: the code, the table or release and place in it, and the facts. */
export interface Violation {
  readonly code: ViolationCode;
  readonly where: string;
  readonly what: string;
}

/** Takes violations up to a bound and counts the rest, so that a wreck does not fill the memory. */
export interface ViolationSink {
  add(code: ViolationCode, where: string, what: string): void;
  readonly found: readonly Violation[];
  readonly count: number;
}

const KEPT = 100;

export function collectViolations(): ViolationSink {
  const found: Violation[] = [];
  let count = 0;
  return {
    add: (code, where, what) => {
      count += 1;
      if (found.length < KEPT) found.push({ code, where, what });
    },
    found,
    get count() {
      return count;
    },
  };
}
