import { alignColumns, humanDuration } from '../../infra/core/text.ts';
import type { AlertDecisionReport, AlertReport, VerdictReport } from './alertReports.ts';

/** Alerts for a terminal; times as ages. Pure. */

export function alertsTable(alerts: readonly AlertReport[], nowMs: number): string {
  const header = [
    'alert',
    'severity',
    'state',
    'topic',
    'about',
    'decisions',
    'p',
    'class',
    'opened',
    'last',
  ];
  return alignColumns(
    header,
    alerts.map((alert) => [
      alert.id,
      alert.severity,
      stateOf(alert),
      alert.topic,
      aboutOf(alert),
      alert.decisions,
      probability(alert.max_p_fraud),
      alert.top_class ?? '-',
      ageOf(alert.opened_at, nowMs),
      ageOf(alert.last_at, nowMs),
    ]),
  );
}

export function alertLines(
  shown: {
    readonly alert: AlertReport;
    readonly decisions: readonly AlertDecisionReport[];
    readonly verdicts: readonly VerdictReport[];
  },
  nowMs: number,
): string[] {
  const { alert, decisions, verdicts } = shown;
  const declines = alert.declines === 0 ? '' : `, ${alert.declines} declined`;
  const kept = decisions.length < alert.decisions ? `, the first ${decisions.length} are kept` : '';
  const closed =
    alert.closed_at === null ? '' : ` ${ageOf(alert.closed_at, nowMs)} by ${alert.closed_by ?? '-'}`;
  return [
    `${alert.id}  ${alert.severity}  ${stateOf(alert)}${closed}`,
    `  about      ${aboutOf(alert)} in ${alert.topic}`,
    `  decisions  ${alert.decisions}${declines}${kept}; highest p ${probability(alert.max_p_fraud)}, ${alert.top_class ?? 'no class'}`,
    `  opened     ${ageOf(alert.opened_at, nowMs)}, last ${ageOf(alert.last_at, nowMs)}, joins until ${alert.window_ends_at.toISOString()}`,
    ...verdicts.map((said) => verdictLine(said, nowMs)),
    '',
    decisionsTable(decisions, nowMs),
  ];
}

// === Helpers ===

function decisionsTable(decisions: readonly AlertDecisionReport[], nowMs: number): string {
  const header = ['decision', 'event', 'age', 'outcome', 'tier', 'p', 'class', 'label', 'why'];
  return alignColumns(
    header,
    decisions.map((one) => [
      one.decision_id,
      printable(one.event_id ?? '-'),
      ageOf(one.decided_at, nowMs),
      one.decision,
      one.risk_tier,
      probability(one.p_fraud),
      one.class ?? '-',
      one.fraud_type ?? one.label ?? '-',
      printable(one.reason_code ?? one.reasons.join('; ')),
    ]),
  );
}

function verdictLine(
  { event_id, verdict, fraud_type, note, said_by, said_at }: VerdictReport,
  nowMs: number,
): string {
  const what = [
    verdict,
    fraud_type,
    event_id === null ? null : `for ${event_id}`,
    note && `"${printable(note)}"`,
  ];
  return `  verdict    ${what.filter((part) => part !== null && part !== '').join(' ')} (${said_by}, ${ageOf(said_at, nowMs)})`;
}

function stateOf({ state, verdict }: AlertReport): string {
  return verdict === null ? state : `${state} (${verdict})`;
}

/** Where no model decided, what it is about is the reason, not a key. */
function aboutOf({ grouped_by: groupedBy, subject }: AlertReport): string {
  return groupedBy === 'key' ? printable(subject) : `all with ${printable(subject)}`;
}

/** Keys and ids are what producers send: nothing in them may steer a terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?');
}

function probability(p: number | null): string {
  return p === null ? '-' : p.toFixed(3);
}

function ageOf(at: Date, nowMs: number): string {
  return `${humanDuration(Math.max(0, nowMs - at.getTime()))} ago`;
}
