import type { Decision } from '../decision.ts';
import { type Subject, storableText, subjectOf, tierRank, windowStartMs } from './alertPolicy.ts';
import type { SeenDecision } from './decisionRecords.ts';

/** What a batch adds to one alert: a row of the statement that opens or widens it, times as ISO-8601. */
export interface AlertGroup extends Subject {
  readonly topic: string;
  readonly windowStartMs: number;
  readonly members: readonly Decision[];
  readonly worstTier: number;
  readonly declines: number;
  readonly maxPFraud: number | null;
  readonly topClass: string | null;
  readonly opened: { readonly atMs: number; readonly decisionId: string };
  readonly last: { readonly atMs: number; readonly decisionId: string };
}

/** Which alert of all: equal for decisions that belong together. */
export function groupName(group: {
  readonly topic: string;
  readonly groupedBy: string;
  readonly subject: string;
  readonly windowStartMs: number;
}): string {
  return JSON.stringify([group.topic, group.groupedBy, group.subject, group.windowStartMs]);
}

/** Gathers decisions, in the order given, by topic, subject and window. Pure. */
export function groupDecisions(seen: readonly SeenDecision[], windowMs: number): AlertGroup[] {
  const groups = new Map<string, AlertGroup>();
  for (const { alerting, decidedAtMs, place } of seen) {
    if (alerting === undefined) continue;
    const own = groupOfOne(alerting, { topic: place.topic, decidedAtMs, windowMs });
    const name = groupName(own);
    const before = groups.get(name);
    groups.set(name, before === undefined ? own : merge(before, own));
  }
  return [...groups.values()];
}

// === Helpers ===

const CLASS_CHARACTERS = 200;

function groupOfOne(
  decision: Decision,
  where: { topic: string; decidedAtMs: number; windowMs: number },
): AlertGroup {
  const at = { atMs: where.decidedAtMs, decisionId: decision.decision_id };
  return {
    ...subjectOf(decision),
    topic: where.topic,
    windowStartMs: windowStartMs(where.decidedAtMs, where.windowMs),
    members: [decision],
    worstTier: tierRank(decision.risk_tier),
    declines: decision.decision === 'decline' ? 1 : 0,
    maxPFraud: decision.p_fraud ?? null,
    topClass: decision.class === undefined ? null : storableText(decision.class, CLASS_CHARACTERS),
    opened: at,
    last: at,
  };
}

function merge(a: AlertGroup, b: AlertGroup): AlertGroup {
  const isHigher = (b.maxPFraud ?? -1) > (a.maxPFraud ?? -1);
  (a.members as Decision[]).push(...b.members);
  return {
    ...a,
    worstTier: Math.max(a.worstTier, b.worstTier),
    declines: a.declines + b.declines,
    maxPFraud: isHigher ? b.maxPFraud : a.maxPFraud,
    topClass: isHigher ? b.topClass : a.topClass,
    opened: b.opened.atMs < a.opened.atMs ? b.opened : a.opened,
    last: b.last.atMs >= a.last.atMs ? b.last : a.last,
  };
}
