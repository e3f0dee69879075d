import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { inject } from 'vitest';
import { systemClock } from '../../../infra/core/clock.ts';
import { noCrash } from '../../../infra/core/crashPoint.ts';
import { connectProducer, ensureTopics, type OutgoingRecord } from '../../../infra/core/kafka.ts';
import type { Postgres } from '../../../infra/core/postgres.ts';
import type { Contract } from '../../../ingestion/contract.ts';
import { decisions } from '../../../ingestion/contracts/decisions.ts';
import { topicSpecs } from '../../../ingestion/landing.ts';
import { groupDecisions } from '../../../scoring/alerts/alertGroups.ts';
import { openAlertStore } from '../../../scoring/alerts/alertStore.ts';
import { writeAlerts } from '../../../scoring/alerts/alertWrites.ts';
import { runAlerts } from '../../../scoring/alerts/runAlerts.ts';
import { type Decision, decisionId, placeOf, REASON_CODES } from '../../../scoring/decision.ts';
import { silentLog } from '../../support/tempLake.ts';

const HOUR_MS = 3_600_000;
const SOURCE = { topic: 'src', topicId: 'aaaaaaaa-0000-4000-8000-000000000001' };

export function brokers(): string[] {
  return [inject('services').kafka];
}

/** A database of its own on the shared server. */
export async function freshDatabase(): Promise<string> {
  const { postgresUrl } = inject('services');
  const name = `alerts_${randomUUID().replaceAll('-', '')}`;
  const client = new Client({ connectionString: postgresUrl });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  const url = new URL(postgresUrl);
  url.pathname = `/${name}`;
  return url.href;
}

export function openStore(url: string): Promise<Postgres> {
  return openAlertStore(url, silentLog);
}

/** The contract of decisions on a topic of its own, which exists. */
export async function freshTopic(partitions = 3): Promise<Contract> {
  const contract = { ...decisions, topic: `decisions_${randomUUID()}`, partitions };
  await ensureTopics(brokers(), topicSpecs(contract));
  return contract;
}

/** Decisions of three partitions over four hours, most approved, in the order of each partition. */
export function mixture(count: number, from = 0): Decision[] {
  return Array.from({ length: count }, (_, index) => mixedDecision(from + index));
}

function mixedDecision(n: number): Decision {
  const place = { partition: n % 3, offset: Math.floor(n / 3) };
  const decided_at = new Date(Date.now() - (n % 4) * HOUR_MS).toISOString();
  const plain = decisionOf(place, { decided_at });
  switch (n % 10) {
    case 1:
      return { ...plain, decision: 'review', risk_tier: 'high', p_fraud: (n % 97) / 100 };
    case 4:
      return { ...plain, decision: 'decline', risk_tier: 'critical', p_fraud: 0.99 };
    case 7: {
      const { p_fraud: _p, class: _class, ...unscored } = plain;
      const reason = REASON_CODES[n % REASON_CODES.length] ?? 'NO_MODEL';
      return { ...unscored, decision: 'review', risk_tier: 'high', reason_code: reason };
    }
    default:
      return plain;
  }
}

/** A decision of now about `offset` of a partition of the source, with what is given. */
export function decisionOf(
  place: { partition: number; offset: number; topic?: string },
  rest: Partial<Decision> = {},
): Decision {
  const id = decisionId({ ...SOURCE, ...place });
  return {
    decision_id: id,
    key: `k${place.partition}-${place.offset % 7}`,
    event_id: `e${place.partition}-${place.offset}`,
    event_time: new Date(Date.now() - 5_000).toISOString(),
    decided_at: new Date().toISOString(),
    decision: 'approve',
    risk_tier: 'low',
    class: 'regular',
    p_fraud: 0.01,
    model_version: 'm1',
    ...rest,
  };
}

export function recordOf(decision: Decision): OutgoingRecord {
  const partition = Number(decision.decision_id.split(':').at(-2));
  return { key: decision.key, value: JSON.stringify(decision), partition };
}

export async function send(topic: string, made: readonly Decision[]): Promise<void> {
  await using producer = await connectProducer({ brokers: brokers(), clientId: 'test', log: silentLog });
  await producer.send(topic, made.map(recordOf));
}

/** A store with alerts from these decisions, without Kafka. */
export async function storeWith(url: string, made: readonly Decision[]): Promise<Postgres> {
  const postgres = await openStore(url);
  const seen = made.flatMap((alerting) => {
    const place = placeOf(alerting.decision_id);
    return place === undefined ? [] : [{ place, alerting, decidedAtMs: Date.parse(alerting.decided_at) }];
  });
  await postgres.withTransaction((tx) => writeAlerts(tx, groupDecisions(seen, HOUR_MS), HOUR_MS));
  return postgres;
}

/** Reviews of one key. */
export function reviews(count: number, rest: Partial<Decision> = {}): Decision[] {
  return Array.from({ length: count }, (_, offset) =>
    decisionOf({ partition: 0, offset }, { key: 'k', decision: 'review', risk_tier: 'high', ...rest }),
  );
}

/** The loops of `jobs` in this process. */
export function startAlerts(postgresUrl: string, contract: Contract, windowMs = HOUR_MS) {
  const controller = new AbortController();
  const done = runAlerts(
    {
      postgresUrl,
      brokers: brokers(),
      groupId: `alerts-${contract.topic}`,
      decisions: contract,
      windowMs,
      clock: systemClock,
      log: silentLog,
      crashPoint: noCrash,
      readVerdicts: async () => [],
    },
    { signal: controller.signal },
  );
  return {
    async [Symbol.asyncDispose]() {
      controller.abort();
      await done;
    },
  };
}

/** An alert without its number, which depends on who came first. */
export interface AlertFacts {
  readonly topic: string;
  readonly grouped_by: string;
  readonly subject: string;
  readonly window_starts_at: Date;
  readonly decisions: number;
  readonly declines: number;
  readonly max_p_fraud: number | null;
  readonly opened_at: Date;
  readonly last_at: Date;
  readonly kept: number;
}

export async function alertFacts(postgres: Postgres): Promise<AlertFacts[]> {
  const rows = await postgres.query<AlertFacts>(
    `select topic, grouped_by, subject, window_starts_at, decisions, declines, max_p_fraud, opened_at, last_at,
       (select count(*) from tidemark.alert_decisions d where d.alert = a.number) as kept
     from tidemark.alerts a`,
  );
  return rows.toSorted(byName);
}

/**
 * What alerts must be, computed plainly: the first record of an id counts, grouped by topic, key or reason, and
 * hour of the decision.
 */
export function expectedAlerts(made: readonly Decision[], windowMs = HOUR_MS): AlertFacts[] {
  const first = new Map(made.toReversed().map((decision) => [decision.decision_id, decision]));
  const alerting = [...first.values()].filter(({ decision }) => decision !== 'approve');
  const groups = Map.groupBy(alerting, (one) => {
    const window = Math.floor(Date.parse(one.decided_at) / windowMs);
    const isOfRecord = one.reason_code === 'TOO_LATE' || one.reason_code === 'BAD_RECORD';
    const reason = isOfRecord ? null : (one.reason_code ?? null);
    return JSON.stringify([one.decision_id.split(':')[0], reason, reason === null ? one.key : '', window]);
  });
  return [...groups]
    .map(([name, members]) => {
      const [topic, reason, key, window] = JSON.parse(name) as [string, string | null, string, number];
      const times = members.map((one) => Date.parse(one.decided_at));
      const chances = members.flatMap((one) => (one.p_fraud === undefined ? [] : [one.p_fraud]));
      return {
        topic,
        grouped_by: reason === null ? 'key' : 'reason',
        subject: reason ?? key,
        window_starts_at: new Date(window * windowMs),
        decisions: members.length,
        declines: members.filter((one) => one.decision === 'decline').length,
        max_p_fraud: chances.length === 0 ? null : Math.max(...chances),
        opened_at: new Date(Math.min(...times)),
        last_at: new Date(Math.max(...times)),
        kept: Math.min(100, members.length),
      };
    })
    .toSorted(byName);
}

/** Decisions applied so far, by the high-water rule. */
export async function seenOffsets(postgres: Postgres): Promise<number> {
  const [row] = await postgres.query<{ n: number }>(
    'select coalesce(sum(next_offset), 0)::bigint as n from tidemark.alert_high_water',
  );
  return row?.n ?? 0;
}

function byName(a: AlertFacts, b: AlertFacts): number {
  return nameOf(a) < nameOf(b) ? -1 : 1;
}

function nameOf(one: AlertFacts): string {
  return JSON.stringify([one.topic, one.grouped_by, one.subject, one.window_starts_at.getTime()]);
}
