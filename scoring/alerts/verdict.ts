import { fault } from '../../infra/core/errorCatalog.ts';
import type { CrashPoint } from '../../infra/core/ports.ts';
import type { Postgres, Queryable } from '../../infra/core/postgres.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { compileDecoder } from '../../ingestion/decoder.ts';
import { alertName } from './alertStore.ts';

export const VERDICTS = ['fraud', 'legitimate', 'unsure'] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface VerdictInput {
  /** Number of the alert. */
  readonly alert: number;
  readonly verdict: Verdict;
  /** Class name, for fraud. */
  readonly type?: string;
  /** One event of the alert; all that it keeps when absent. */
  readonly eventId?: string;
  readonly note?: string;
  readonly by: string;
}

export interface VerdictDeps {
  readonly postgres: Postgres;
  /** Of the topic of labels. */
  readonly labels: Contract;
  /** Class 0 is the regular one. */
  readonly classNames: readonly string[];
  readonly nowMs: number;
  readonly crashPoint: CrashPoint;
}

export interface VerdictResult {
  readonly alert: string;
  readonly state: 'open' | 'closed';
  /** Labels that are on their way; events of which the same was said before have none. */
  readonly labels: readonly { readonly event_id: string; readonly revision: number }[];
  /** Decisions of the alert that it counts but does not keep: no label is about them. */
  readonly notKept: number;
}

/**
 * Records what a person says about an alert, or about one event of it: verdict, state of the alert and the
 * labels on their way to Kafka, in one transaction. Saying the same again changes nothing; another word is
 * the next revision. An alert is closed when fraud or legitimate was said about all events that it keeps.
 * @throws ALERT_UNKNOWN, ALERT_EVENT_UNKNOWN, ALERT_NEEDS_EVENT, VERDICT_TYPE_INVALID, POSTGRES_UNAVAILABLE
 */
export async function recordVerdict(deps: VerdictDeps, input: VerdictInput): Promise<VerdictResult> {
  checkType(deps.classNames, input);
  const result = await deps.postgres.withTransaction(async (tx) => {
    const alert = await lockAlert(tx, input.alert);
    const events = await eventsOf(tx, alert, input);
    const verdict = await insertVerdict(tx, input, deps.nowMs);
    const labels = await writeLabels(tx, deps, { ...input, number: verdict, events });
    const state = await writeState(tx, input, deps.nowMs);
    deps.crashPoint('before-verdict-commit');
    return { alert: alertName(input.alert), state, labels, notKept: alert.decisions - alert.kept };
    // COMMIT POINT: verdict, state and outbox, or none of them.
  });
  deps.crashPoint('after-verdict-commit');
  return result;
}

/** Closes an alert without a word about its events. @throws ALERT_UNKNOWN, POSTGRES_UNAVAILABLE */
export async function closeAlert(
  postgres: Postgres,
  { alert, by, nowMs }: { readonly alert: number; readonly by: string; readonly nowMs: number },
): Promise<void> {
  await postgres.withTransaction(async (tx) => {
    await lockAlert(tx, alert);
    await tx.query(CLOSE, [alert, new Date(nowMs), by]);
  });
}

// === Helpers ===

interface LockedAlert {
  readonly groupedBy: 'key' | 'reason';
  readonly decisions: number;
  readonly kept: number;
}

const CLOSE = `
update tidemark.alerts set state = 'closed', closed_at = $2, closed_by = $3
where number = $1 and state = 'open'`;

function checkType(classNames: readonly string[], { verdict, type }: VerdictInput): void {
  const types = classNames.slice(1);
  if (type === undefined || (verdict === 'fraud' && types.includes(type))) return;
  throw fault('VERDICT_TYPE_INVALID', { type, verdict, types: types.join(', ') });
}

async function lockAlert(tx: Queryable, number: number): Promise<LockedAlert> {
  const [alert] = await tx.query<LockedAlert>(
    `select grouped_by as "groupedBy", decisions,
       (select count(*) from tidemark.alert_decisions d where d.alert = a.number) as kept
     from tidemark.alerts a where number = $1 for update`,
    [number],
  );
  if (alert === undefined) throw fault('ALERT_UNKNOWN', { alert: alertName(number) });
  return alert;
}

async function eventsOf(tx: Queryable, alert: LockedAlert, input: VerdictInput): Promise<string[]> {
  const { eventId } = input;
  const name = alertName(input.alert);
  if (eventId === undefined && alert.groupedBy === 'reason')
    throw fault('ALERT_NEEDS_EVENT', { alert: name });
  const rows = await tx.query<{ event: string }>(
    `select distinct event_id as event from tidemark.alert_decisions
     where alert = $1 and event_id is not null and event_id = coalesce($2, event_id) order by 1`,
    [input.alert, eventId ?? null],
  );
  if (eventId !== undefined && rows.length === 0) {
    throw fault('ALERT_EVENT_UNKNOWN', { alert: name, event: eventId });
  }
  return rows.map(({ event }) => event);
}

async function insertVerdict(tx: Queryable, input: VerdictInput, nowMs: number): Promise<number> {
  const { alert, eventId, verdict, type, note, by } = input;
  const [row] = await tx.query<{ number: number }>(
    `insert into tidemark.verdicts (alert, event_id, verdict, fraud_type, note, said_by, said_at)
     values ($1, $2, $3, $4, $5, $6, $7) returning number`,
    [alert, eventId ?? null, verdict, type ?? null, note ?? null, by, new Date(nowMs)],
  );
  return row?.number ?? 0;
}

/** In one order of events: two verdicts about the same ones wait for each other, never both. */
async function writeLabels(
  tx: Queryable,
  deps: VerdictDeps,
  said: { verdict: Verdict; type?: string; number: number; events: readonly string[] },
): Promise<VerdictResult['labels']> {
  const changed = await tx.query<{ event_id: string; revision: number }>(
    `insert into tidemark.verdict_labels as l (event_id, revision, label, fraud_type, verdict)
     select e, 1, $2, $3, $4 from unnest($1::text[]) as e order by e
     on conflict (event_id) do update
     set revision = l.revision + 1, label = excluded.label, fraud_type = excluded.fraud_type,
       verdict = excluded.verdict
     where (l.label, l.fraud_type) is distinct from (excluded.label, excluded.fraud_type)
     returning event_id, revision`,
    [said.events, said.verdict, said.type ?? null, said.number],
  );
  const labels = changed.toSorted((a, b) => (a.event_id < b.event_id ? -1 : 1));
  const values = labels.map((label) => labelJson(deps, { ...label, ...said }));
  await tx.query(
    `insert into tidemark.outbox (topic, key, value, written_at)
     select $1, key, value, $4 from unnest($2::text[], $3::text[]) as o(key, value)`,
    [deps.labels.topic, labels.map((label) => label.event_id), values, new Date(deps.nowMs)],
  );
  return labels;
}

/** The record of the topic of labels, held against its contract before anybody relies on it. */
function labelJson(
  { labels, nowMs }: VerdictDeps,
  said: { event_id: string; revision: number; verdict: Verdict; type?: string },
): string {
  const value = JSON.stringify({
    label_id: `verdict:${said.event_id}`,
    revision: said.revision,
    event_id: said.event_id,
    label: said.verdict,
    ...(said.type === undefined ? {} : { fraud_type: said.type }),
    source: 'verdict',
    label_available_at: new Date(nowMs).toISOString(),
  });
  const record = { key: Buffer.from(said.event_id), value: Buffer.from(value), arrivedAtMs: nowMs };
  const judgement = compileDecoder(labels).judge(record);
  if (judgement.kind === 'good') return value;
  const detail = `${judgement.code} ${judgement.detail}`;
  throw fault('VERDICT_LABEL_INVALID', { event: said.event_id, detail });
}

async function writeState(tx: Queryable, input: VerdictInput, nowMs: number): Promise<'open' | 'closed'> {
  const { alert, verdict, by } = input;
  await tx.query('update tidemark.alerts set verdict = $2 where number = $1', [alert, verdict]);
  if (await isSettled(tx, alert, verdict)) await tx.query(CLOSE, [alert, new Date(nowMs), by]);
  const [row] = await tx.query<{ state: 'open' | 'closed' }>(
    'select state from tidemark.alerts where number = $1',
    [alert],
  );
  return row?.state ?? 'open';
}

/** Unsure leaves an alert to somebody else. */
async function isSettled(tx: Queryable, alert: number, verdict: Verdict): Promise<boolean> {
  if (verdict === 'unsure') return false;
  const [row] = await tx.query<{ isSettled: boolean }>(
    `select not exists (
       select 1 from tidemark.alert_decisions d
       left join tidemark.verdict_labels l using (event_id)
       where d.alert = $1 and d.event_id is not null and (l.label is null or l.label = 'unsure')
     ) as "isSettled"`,
    [alert],
  );
  return row?.isSettled ?? false;
}
