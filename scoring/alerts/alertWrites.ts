import type { Queryable } from '../../infra/core/postgres.ts';
import type { Decision } from '../decision.ts';
import { type AlertGroup, groupName } from './alertGroups.ts';
import { type Severity, severityOf, storableText } from './alertPolicy.ts';

/** Decisions that an alert keeps; it counts all of them. */
export const KEPT_DECISIONS = 100;

/**
 * Opens an alert for each group that has none in its window, and adds to those that are open. All in the
 * caller's transaction; alerts are locked in one order, so that two callers never wait for each other.
 */
export async function writeAlerts(
  tx: Queryable,
  groups: readonly AlertGroup[],
  windowMs: number,
): Promise<void> {
  if (groups.length === 0) return;
  const rows = await tx.query<MergedAlert>(UPSERT_ALERTS, [
    JSON.stringify(groups.map((group) => alertRow(group, windowMs))),
  ]);
  const merged = new Map(rows.map((row) => [groupName(row), row]));
  const kept = groups.flatMap((group) => keptRows(group, merged.get(groupName(group))));
  if (kept.length > 0) await tx.query(INSERT_DECISIONS, [JSON.stringify(kept)]);
  const risen = rows.filter((row) => severityOf(row) !== row.severity);
  if (risen.length === 0) return;
  const severities = risen.map((row) => ({ number: row.number, severity: severityOf(row) }));
  await tx.query(UPDATE_SEVERITIES, [JSON.stringify(severities)]);
}

// === Helpers ===

/** An alert after the decisions of a group have joined it. */
interface MergedAlert {
  readonly number: number;
  readonly topic: string;
  readonly groupedBy: 'key' | 'reason';
  readonly subject: string;
  readonly windowStartMs: number;
  readonly severity: Severity;
  readonly worstTier: number;
  readonly decisions: number;
  readonly declines: number;
  readonly maxPFraud: number | null;
}

const UPSERT_ALERTS = `
insert into tidemark.alerts as a (
  topic, grouped_by, subject, window_starts_at, window_ends_at, severity, worst_tier, decisions, declines,
  max_p_fraud, top_class, opened_at, last_at, first_decision, last_decision)
select * from jsonb_to_recordset($1) as g(
  topic text, grouped_by text, subject text, window_starts_at timestamptz, window_ends_at timestamptz,
  severity text, worst_tier int, decisions bigint, declines bigint, max_p_fraud double precision,
  top_class text, opened_at timestamptz, last_at timestamptz, first_decision text, last_decision text)
order by topic, grouped_by, subject, window_starts_at
on conflict (topic, grouped_by, subject, window_starts_at) where state = 'open' do update set
  worst_tier = greatest(a.worst_tier, excluded.worst_tier),
  decisions = a.decisions + excluded.decisions,
  declines = a.declines + excluded.declines,
  max_p_fraud = greatest(a.max_p_fraud, excluded.max_p_fraud),
  top_class = case
    when excluded.max_p_fraud > coalesce(a.max_p_fraud, -1) then excluded.top_class else a.top_class end,
  opened_at = least(a.opened_at, excluded.opened_at),
  first_decision = case
    when excluded.opened_at < a.opened_at then excluded.first_decision else a.first_decision end,
  last_at = greatest(a.last_at, excluded.last_at),
  last_decision = case
    when excluded.last_at >= a.last_at then excluded.last_decision else a.last_decision end
returning number, topic, grouped_by as "groupedBy", subject, severity, worst_tier as "worstTier", decisions,
  declines, max_p_fraud as "maxPFraud",
  (extract(epoch from window_starts_at) * 1000)::bigint as "windowStartMs"`;

const INSERT_DECISIONS = `
insert into tidemark.alert_decisions (
  alert, decision_id, key, event_id, event_time, decided_at, decision, risk_tier, reason_code, p_fraud, class,
  reasons, model_version)
select
  alert, decision_id, key, event_id, event_time, decided_at, decision, risk_tier, reason_code, p_fraud, class,
  array(select jsonb_array_elements_text(reasons)), model_version
from jsonb_to_recordset($1) as d(
  alert bigint, decision_id text, key text, event_id text, event_time timestamptz, decided_at timestamptz,
  decision text, risk_tier text, reason_code text, p_fraud double precision, class text, reasons jsonb,
  model_version text)
on conflict (alert, decision_id) do nothing`;

const UPDATE_SEVERITIES = `
update tidemark.alerts as a set severity = s.severity
from jsonb_to_recordset($1) as s(number bigint, severity text)
where a.number = s.number`;

function alertRow(group: AlertGroup, windowMs: number): Readonly<Record<string, unknown>> {
  const { topic, groupedBy, subject, members, worstTier, declines, maxPFraud, topClass, opened, last } =
    group;
  return {
    topic,
    subject,
    declines,
    grouped_by: groupedBy,
    window_starts_at: isoOf(group.windowStartMs),
    window_ends_at: isoOf(group.windowStartMs + windowMs),
    severity: severityOf({ ...group, decisions: members.length }),
    worst_tier: worstTier,
    decisions: members.length,
    max_p_fraud: maxPFraud,
    top_class: topClass,
    opened_at: isoOf(opened.atMs),
    last_at: isoOf(last.atMs),
    first_decision: opened.decisionId,
    last_decision: last.decisionId,
  };
}

/** Only the first decisions of an alert are kept: its memory is bounded, its count is not. */
function keptRows({ members }: AlertGroup, alert: MergedAlert | undefined): object[] {
  if (alert === undefined) throw new Error('the database returned no row for an alert that it wrote');
  const before = alert.decisions - members.length;
  return members
    .slice(0, Math.max(0, KEPT_DECISIONS - before))
    .map((decision) => decisionRow(decision, alert.number));
}

const KEY_CHARACTERS = 1_000;
const TEXT_CHARACTERS = 500;
const MAX_REASONS = 20;

function decisionRow(decision: Decision, alert: number): Readonly<Record<string, unknown>> {
  const { key, event_id: eventId, event_time, decided_at, risk_tier, p_fraud, reasons = [] } = decision;
  return {
    alert,
    event_time,
    decided_at,
    risk_tier,
    p_fraud,
    decision_id: decision.decision_id,
    key: storableText(key, KEY_CHARACTERS),
    // A label is about exactly this event or about none.
    event_id: eventId === storableText(eventId ?? '', KEY_CHARACTERS) ? eventId : null,
    decision: decision.decision,
    reason_code: decision.reason_code,
    class: optionalText(decision.class),
    reasons: reasons.slice(0, MAX_REASONS).map((reason) => storableText(reason, TEXT_CHARACTERS)),
    model_version: optionalText(decision.model_version),
  };
}

function optionalText(text: string | undefined): string | undefined {
  return text === undefined ? undefined : storableText(text, TEXT_CHARACTERS);
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
