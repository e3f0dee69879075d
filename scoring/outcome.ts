import type { Decision } from './decision.ts';
import type { ModelCard } from './modelCard.ts';
import type { Policy } from './scoringContent.ts';

export type Outcome = Pick<Decision, 'decision' | 'risk_tier'>;

/** What is done without a model's word. Its tier is that of any review: nobody knows that it is less. */
export const UNSCORED: Outcome = { decision: 'review', risk_tier: 'high' };

/**
 * From a calibrated probability of fraud in [0, 1] to a decision. Each threshold belongs to what lies above it:
 *
 *   low ─ mediumFrom · review ─► medium ─ review ─► high, a person looks ─ decline ─► critical, refused
 *
 * Pure.
 */
export function outcomeOf(
  pFraud: number,
  { review, decline }: ModelCard['thresholds'],
  { mediumFrom }: Pick<Policy, 'mediumFrom'>,
): Outcome {
  if (decline !== null && pFraud >= decline) return DECLINE;
  if (pFraud >= review) return UNSCORED;
  if (pFraud >= mediumFrom * review) return MEDIUM;
  // Only a comparison that holds approves: whatever is no number does not get here.
  return pFraud < review ? LOW : UNSCORED;
}

// === Helpers ===

const DECLINE: Outcome = { decision: 'decline', risk_tier: 'critical' };
const MEDIUM: Outcome = { decision: 'approve', risk_tier: 'medium' };
const LOW: Outcome = { decision: 'approve', risk_tier: 'low' };
