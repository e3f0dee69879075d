import { fault } from '../../infra/core/errorCatalog.ts';
import type { Queryable } from '../../infra/core/postgres.ts';
import type { Severity } from './alertPolicy.ts';
import { alertName } from './alertStore.ts';
import type { Verdict } from './verdict.ts';

/** An alert as people see it; names as in `--json`, times as Dates. */
export interface AlertReport {
  readonly id: string;
  readonly topic: string;
  readonly grouped_by: 'key' | 'reason';
  /** The key, or the reason code. */
  readonly subject: string;
  readonly state: 'open' | 'closed';
  readonly severity: Severity;
  readonly decisions: number;
  readonly declines: number;
  readonly max_p_fraud: number | null;
  readonly top_class: string | null;
  readonly opened_at: Date;
  readonly last_at: Date;
  readonly window_ends_at: Date;
  readonly first_decision: string;
  readonly last_decision: string;
  readonly verdict: Verdict | null;
  readonly closed_at: Date | null;
  readonly closed_by: string | null;
}

/** One kept decision of an alert, with what was said about its event last. */
export interface AlertDecisionReport {
  readonly decision_id: string;
  readonly event_id: string | null;
  readonly key: string;
  readonly event_time: Date | null;
  readonly decided_at: Date;
  readonly decision: string;
  readonly risk_tier: string;
  readonly reason_code: string | null;
  readonly p_fraud: number | null;
  readonly class: string | null;
  readonly reasons: readonly string[];
  readonly model_version: string | null;
  readonly label: Verdict | null;
  readonly fraud_type: string | null;
}

export interface VerdictReport {
  readonly event_id: string | null;
  readonly verdict: Verdict;
  readonly fraud_type: string | null;
  readonly note: string | null;
  readonly said_by: string;
  readonly said_at: Date;
}

/** The most severe first, then the newest; at most `limit`. */
export async function listAlerts(
  on: Queryable,
  filter: {
    readonly state: 'open' | 'closed' | 'all';
    readonly severity: Severity | undefined;
    readonly limit: number;
  },
): Promise<AlertReport[]> {
  const rows = await on.query<AlertRow>(
    `select ${COLUMNS} from tidemark.alerts
     where ($1 = 'all' or state = $1) and severity = coalesce($2, severity)
     order by array_position(array['critical', 'high', 'medium', 'low'], severity), last_at desc, number desc
     limit $3`,
    [filter.state, filter.severity ?? null, filter.limit],
  );
  return rows.map(toReport);
}

/** One alert with what it keeps. @throws ALERT_UNKNOWN */
export async function showAlert(
  on: Queryable,
  number: number,
): Promise<{
  readonly alert: AlertReport;
  readonly decisions: readonly AlertDecisionReport[];
  readonly verdicts: readonly VerdictReport[];
}> {
  const [alert] = await on.query<AlertRow>(`select ${COLUMNS} from tidemark.alerts where number = $1`, [
    number,
  ]);
  if (alert === undefined) throw fault('ALERT_UNKNOWN', { alert: alertName(number) });
  const decisions = await on.query<AlertDecisionReport>(
    `select decision_id, event_id, key, event_time, decided_at, decision, risk_tier, reason_code, p_fraud, class,
       reasons, model_version, label, l.fraud_type
     from tidemark.alert_decisions left join tidemark.verdict_labels l using (event_id)
     where alert = $1 order by decided_at, decision_id`,
    [number],
  );
  const verdicts = await on.query<VerdictReport>(
    `select event_id, verdict, fraud_type, note, said_by, said_at from tidemark.verdicts
     where alert = $1 order by number`,
    [number],
  );
  return { alert: toReport(alert), decisions, verdicts };
}

// === Helpers ===

type AlertRow = Omit<AlertReport, 'id'> & { readonly number: number };

const COLUMNS = `number, topic, grouped_by, subject, state, severity, decisions, declines, max_p_fraud, top_class,
  opened_at, last_at, window_ends_at, first_decision, last_decision, verdict, closed_at, closed_by`;

function toReport({ number, ...row }: AlertRow): AlertReport {
  return { id: alertName(number), ...row };
}
