import type { StreamStatus } from '../transforms/feature.ts';
import type { GoldStatus } from '../transforms/goldView.ts';
import type { ReasonCode } from './decision.ts';
import type { Policy } from './scoringContent.ts';

/** What can be said about the windows or a gold entity of one vector; `GOLD_MISSING`: there are no marts. */
export type VectorStatus = StreamStatus | GoldStatus | 'GOLD_MISSING';

/** How `statuses` of a decision spells them: the windows first, then the gold entities in order. */
export const STATUS_LETTERS: Readonly<Record<VectorStatus, string>> = {
  PRESENT: 'P',
  NOT_FOUND: 'N',
  TOO_LATE: 'L',
  STALE: 'S',
  OUTSIDE_MAX_AGE: 'O',
  NOT_HELD: 'H',
  GOLD_MISSING: 'M',
};

/** Spells statuses; `hasMarts` false: whatever gold says, it is missing. */
export function createLetters(): (
  windows: StreamStatus,
  gold: readonly { readonly status: GoldStatus }[],
  hasMarts: boolean,
) => string {
  // Few combinations occur, and a text that is made anew for each event costs more than to look it up.
  const known = new Map<number, string>();
  return (windows, gold, hasMarts) => {
    let code = NUMBERS[windows];
    for (const { status } of gold) code = code * 8 + (hasMarts ? NUMBERS[status] : NUMBERS.GOLD_MISSING);
    let letters = known.get(code);
    if (letters === undefined) {
      const all = [windows, ...gold.map(({ status }) => (hasMarts ? status : 'GOLD_MISSING'))] as const;
      letters = all.map((status) => STATUS_LETTERS[status]).join('');
      known.set(code, letters);
    }
    return letters;
  };
}

/** The statuses behind the letters of a decision; undefined when a letter is none. Pure. */
export function decodeStatuses(letters: string): VectorStatus[] | undefined {
  const statuses = [...letters].map((letter) => BY_LETTER.get(letter));
  return statuses.includes(undefined) ? undefined : (statuses as VectorStatus[]);
}

/** Why a vector with these letters is not scored; undefined when it is. What is no letter is no vector. Pure. */
export function reasonOfStatuses(letters: string, onStatus: Policy['onStatus']): ReasonCode | undefined {
  const statuses = decodeStatuses(letters);
  if (statuses === undefined || statuses.length === 0) return 'FEATURES_NOT_COMPUTABLE';
  return SAID_FIRST.find(
    (status) => statuses.includes(status) && (status === 'GOLD_MISSING' || onStatus[status] !== 'score'),
  );
}

// === Helpers ===

const BY_LETTER: ReadonlyMap<string, VectorStatus> = new Map(
  Object.entries(STATUS_LETTERS).map(([status, letter]) => [letter, status as VectorStatus]),
);

/** One to seven, so that a list of them is one number by eights. */
const NUMBERS: Readonly<Record<VectorStatus, number>> = {
  PRESENT: 1,
  NOT_FOUND: 2,
  TOO_LATE: 3,
  STALE: 4,
  OUTSIDE_MAX_AGE: 5,
  NOT_HELD: 6,
  GOLD_MISSING: 7,
};

/** In the order of `REASON_CODES`. */
const SAID_FIRST = ['TOO_LATE', 'GOLD_MISSING', 'NOT_HELD', 'OUTSIDE_MAX_AGE', 'STALE'] as const;
