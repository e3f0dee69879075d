import { createHash } from 'node:crypto';
import type { Decision, ReasonCode } from '../decision.ts';

/** What becomes an alert, what it is about and how much it matters. Pure. */

/**
 * What an alert is about. A model's decisions are about the key, and so are those that the record itself
 * brought about: who sends records late or broken must not hide in a crowd. What the system brought about
 * is about the reason: when a model is missing, a million keys are one case for somebody, not a million.
 */
export interface Subject {
  readonly groupedBy: 'key' | 'reason';
  readonly subject: string;
}

export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What the severity follows from; counts and maxima over all decisions of the alert. */
export interface Weight {
  readonly groupedBy: 'key' | 'reason';
  /** Index into `SEVERITIES`, as risk tiers have the same names. */
  readonly worstTier: number;
  readonly maxPFraud: number | null;
  readonly decisions: number;
  readonly declines: number;
}

/** Whether somebody should look: all but `approve`. */
export function isAlerting({ decision }: Decision): boolean {
  return decision !== 'approve';
}

export function subjectOf({ key, reason_code: reason }: Decision): Subject {
  const isOfRecord = reason === undefined || REASONS_OF_RECORDS.has(reason);
  if (isOfRecord && key !== '') return { groupedBy: 'key', subject: indexableText(key) };
  return { groupedBy: 'reason', subject: reason ?? 'NO_KEY' };
}

/**
 * Windows lie side by side from 1970 on, so that to which alert a decision belongs follows from its own
 * time alone, in whatever order partitions are read.
 */
export function windowStartMs(decidedAtMs: number, windowMs: number): number {
  return Math.floor(decidedAtMs / windowMs) * windowMs;
}

/**
 * By key: a decline is critical; else one below the worst risk tier, one step more from p_fraud .5 on, and one
 * more from five decisions on. By reason: how many records no model decided (10, 100, 1,000).
 */
export function severityOf({ groupedBy, worstTier, maxPFraud, decisions, declines }: Weight): Severity {
  if (groupedBy === 'reason') return severityAt(UNDECIDED_STEPS.filter((least) => decisions >= least).length);
  if (declines > 0) return 'critical';
  const isLikely = (maxPFraud ?? 0) >= LIKELY_P_FRAUD;
  const areMany = decisions >= MANY_DECISIONS;
  return severityAt(Math.max(0, worstTier - 1) + Number(isLikely) + Number(areMany));
}

export function tierRank(tier: Decision['risk_tier']): number {
  return SEVERITIES.indexOf(tier);
}

/** A text that PostgreSQL takes and an index holds: without NUL, at most `characters` long. */
export function storableText(text: string, characters: number): string {
  const clean = text.replaceAll('\u0000', '\ufffd');
  return clean.length <= characters ? clean : `${clean.slice(0, characters - 1).toWellFormed()}…`;
}

// === Helpers ===

/** A payload chooses its time and its form. */
const REASONS_OF_RECORDS: ReadonlySet<string> = new Set(['TOO_LATE', 'BAD_RECORD'] satisfies ReasonCode[]);

/** Four bytes a character at most: below the 2,704 bytes of an index entry. */
const SUBJECT_CHARACTERS = 256;
const LIKELY_P_FRAUD = 0.5;
const MANY_DECISIONS = 5;
const UNDECIDED_STEPS = [10, 100, 1_000];

/** Long texts are cut and told apart by their hash: what a producer sends must never stop the consumer. */
function indexableText(text: string): string {
  if (text.length <= SUBJECT_CHARACTERS) return storableText(text, SUBJECT_CHARACTERS);
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return `${storableText(text, SUBJECT_CHARACTERS - hash.length)}${hash}`;
}

function severityAt(rank: number): Severity {
  return SEVERITIES[Math.min(rank, SEVERITIES.length - 1)] ?? 'critical';
}
