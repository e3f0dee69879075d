import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { systemClock } from '../../../infra/core/clock.ts';
import { loadConfig } from '../../../infra/core/config.ts';
import { noCrash } from '../../../infra/core/crashPoint.ts';
import { isFault } from '../../../infra/core/errorCatalog.ts';
import { connectProducer, ensureTopics, partitionOf } from '../../../infra/core/kafka.ts';
import type { Postgres } from '../../../infra/core/postgres.ts';
import { openLake } from '../../../infra/lake.ts';
import { labels } from '../../../ingestion/contracts/labels.ts';
import { topicSpecs } from '../../../ingestion/landing.ts';
import { openSqlGateway } from '../../../lakehouse/sqlGateway.ts';
import { listAlerts, showAlert } from '../../../scoring/alerts/alertReports.ts';
import { KEPT_DECISIONS } from '../../../scoring/alerts/alertWrites.ts';
import { relayOnce } from '../../../scoring/alerts/outboxRelay.ts';
import { recordVerdict, type VerdictInput } from '../../../scoring/alerts/verdict.ts';
import type { Decision } from '../../../scoring/decision.ts';
import { paymentScoring } from '../../../scoring/policy/payments.ts';
import { recordsOf } from '../../ingestion/liveLanding.ts';
import { startChild } from '../../support/childProcess.ts';
import { silentLog } from '../../support/tempLake.ts';
import { contentOf } from '../../support/testContent.ts';
import { brokers, freshDatabase, openStore, reviews as reviewsAt, send, storeWith } from './support.ts';

const PATIENCE = { timeout: 120_000, interval: 200 };
const AT = '2026-03-01T10:00:00.000Z';
const NOW_MS = Date.parse('2026-03-01T12:00:00.000Z');
const { classNames } = paymentScoring;

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tidemark-verdicts-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function reviews(count: number, rest: Partial<Decision> = {}): Decision[] {
  return reviewsAt(count, { decided_at: AT, ...rest });
}

function say(postgres: Postgres, input: Partial<VerdictInput>, topic = labels.topic) {
  const deps = { postgres, classNames, nowMs: NOW_MS, crashPoint: noCrash, labels: { ...labels, topic } };
  return recordVerdict(deps, { alert: 1, verdict: 'fraud', by: 'ann', ...input });
}

function outbox(postgres: Postgres): Promise<{ key: string; value: string }[]> {
  return postgres.query('select key, value from tidemark.outbox order by number');
}

test('a verdict closes the alert and puts one label of each event into the outbox', async () => {
  await using postgres = await storeWith(await freshDatabase(), reviews(3));
  const said = await say(postgres, { type: 'fraud_card_testing', note: 'same card' });
  expect(said).toMatchObject({ alert: 'A-000001', state: 'closed', notKept: 0 });
  const waiting = await outbox(postgres);
  expect(waiting.map(({ key }) => key)).toEqual(['e0-0', 'e0-1', 'e0-2']);
  expect(JSON.parse(waiting[0]?.value ?? '')).toEqual({
    label_id: 'verdict:e0-0',
    revision: 1,
    event_id: 'e0-0',
    label: 'fraud',
    fraud_type: 'fraud_card_testing',
    source: 'verdict',
    label_available_at: '2026-03-01T12:00:00.000Z',
  });
  const shown = await showAlert(postgres, 1);
  expect(shown.alert).toMatchObject({ state: 'closed', verdict: 'fraud', closed_by: 'ann' });
  expect(shown.verdicts).toMatchObject([{ verdict: 'fraud', note: 'same card', said_by: 'ann' }]);
  expect(shown.decisions.map((one) => one.label)).toEqual(['fraud', 'fraud', 'fraud']);
});

test('the same again changes nothing; a change of mind is the next revision', async () => {
  await using postgres = await storeWith(await freshDatabase(), reviews(2));
  await say(postgres, { verdict: 'legitimate' });
  expect((await say(postgres, { verdict: 'legitimate' })).labels).toEqual([]);
  expect(await outbox(postgres)).toHaveLength(2);
  const changed = await say(postgres, { verdict: 'fraud', eventId: 'e0-1' });
  expect(changed.labels).toEqual([{ event_id: 'e0-1', revision: 2 }]);
  const typed = await say(postgres, { verdict: 'fraud', eventId: 'e0-1', type: 'fraud_structuring' });
  expect(typed.labels).toEqual([{ event_id: 'e0-1', revision: 3 }]);
});

test('an alert is open until fraud or legitimate was said about all of its events', async () => {
  await using postgres = await storeWith(await freshDatabase(), reviews(2));
  expect((await say(postgres, { verdict: 'unsure' })).state).toBe('open');
  expect((await say(postgres, { verdict: 'fraud', eventId: 'e0-0' })).state).toBe('open');
  expect((await say(postgres, { verdict: 'legitimate', eventId: 'e0-1' })).state).toBe('closed');
});

test('four verdicts at once about one event: four revisions at most, each once, and the newest is kept', async () => {
  await using postgres = await storeWith(await freshDatabase(), reviews(1));
  const types = ['fraud_card_testing', 'fraud_structuring', 'fraud_promo_abuse', 'fraud_gold_farming'];
  await Promise.all(types.map((type) => say(postgres, { type })));
  const said = (await outbox(postgres)).map(({ value }) => JSON.parse(value));
  expect(said.map(({ revision }) => revision)).toEqual([1, 2, 3, 4]);
  const [kept] = await postgres.query<{ fraud_type: string }>(
    'select fraud_type from tidemark.verdict_labels',
  );
  expect(kept?.fraud_type).toBe(said.at(-1)?.fraud_type);
});

test('what cannot be said is refused, and nothing is written', async () => {
  await using postgres = await storeWith(await freshDatabase(), [
    ...reviews(1),
    ...reviews(2, { key: 'other', reason_code: 'NO_MODEL' }).slice(1),
  ]);
  await expect(say(postgres, { type: 'regular' })).rejects.toMatchObject({ code: 'VERDICT_TYPE_INVALID' });
  const refused = say(postgres, { verdict: 'legitimate', type: 'fraud_structuring' });
  await expect(refused).rejects.toMatchObject({ code: 'VERDICT_TYPE_INVALID' });
  await expect(say(postgres, { type: 'fraud_x' })).rejects.toThrow("'fraud_x'");
  await expect(say(postgres, { alert: 99 })).rejects.toMatchObject({ code: 'ALERT_UNKNOWN' });
  await expect(say(postgres, { eventId: 'e9' })).rejects.toMatchObject({ code: 'ALERT_EVENT_UNKNOWN' });
  const reasons = await openAlerts(postgres);
  const grouped = reasons.find((one) => one.grouped_by === 'reason');
  const number = Number(grouped?.id.slice(2));
  await expect(say(postgres, { alert: number })).rejects.toMatchObject({ code: 'ALERT_NEEDS_EVENT' });
  expect(await outbox(postgres)).toEqual([]);
  expect(await postgres.query('select 1 from tidemark.verdicts')).toEqual([]);
  expect((await say(postgres, { alert: number, eventId: 'e0-1' })).state).toBe('closed');
});

test('an alert keeps a hundred decisions, and says about how many a verdict is not', async () => {
  await using postgres = await storeWith(await freshDatabase(), reviews(KEPT_DECISIONS + 30));
  expect(await say(postgres, {})).toMatchObject({ notKept: 30, state: 'closed' });
  expect(await outbox(postgres)).toHaveLength(KEPT_DECISIONS);
});

test('sent again after a crash between send and mark; of two relays at once one sends', async () => {
  await using postgres = await storeWith(await freshDatabase(), reviews(4));
  const topic = `labels_${randomUUID()}`;
  await ensureTopics(brokers(), topicSpecs({ ...labels, topic }));
  await say(postgres, { verdict: 'fraud' }, topic);
  await say(postgres, { verdict: 'legitimate' }, topic);
  await using producer = await connectProducer({ brokers: brokers(), clientId: 'test', log: silentLog });
  const deps = { postgres, clock: systemClock, log: silentLog };
  const sendTo = async (to: string, records: readonly { key: string; value: string }[]) => {
    await producer.send(to, records);
  };
  const crashPoint = (name: string) => {
    if (name === 'after-relay-send') throw new Error('crash');
  };
  await expect(relayOnce({ ...deps, crashPoint }, sendTo)).rejects.toThrow('crash');
  const calm = { ...deps, crashPoint: noCrash };
  const others: number[] = [];
  const sendBesideAnother = async (to: string, batch: readonly { key: string; value: string }[]) => {
    others.push(await relayOnce(calm, sendTo));
    await sendTo(to, batch);
  };
  expect(await relayOnce(calm, sendBesideAnother)).toBe(8);
  expect(others).toEqual([0]);
  expect(await relayOnce(calm, sendTo)).toBe(0);

  const records = await recordsOf(topic);
  // The client itself may send a batch again, as it came.
  for (const key of ['e0-0', 'e0-1', 'e0-2', 'e0-3']) {
    const own = records.filter((record) => record.key?.toString() === key);
    expect(own.map(({ value }) => JSON.parse(String(value)).revision).join('')).toMatch(/^(12){2,}$/);
  }
});

test('from a decision to silver.labels with the real processes, a killed relay, a change of mind and a lost PostgreSQL included', async () => {
  const spec = `payments:verdicts-${randomUUID()}.`;
  const content = contentOf(spec);
  const url = await freshDatabase();
  const env = {
    TIDEMARK_HOME: dir,
    TIDEMARK_KAFKA: inject('services').kafka,
    TIDEMARK_POSTGRES_URL: url,
    TIDEMARK_GROUP: spec,
    TIDEMARK_TEST_CONTENT: spec,
    TIDEMARK_FLUSH_INTERVAL: '500ms',
  };
  const topicOf = (table: string) => content.contracts.find((one) => one.table === table)?.topic ?? '';
  await ensureTopics(brokers(), content.contracts.flatMap(topicSpecs));
  await using postgres = await openStore(url);
  const made = reviews(3, { decided_at: new Date().toISOString() });
  await send(topicOf('bronze.decisions'), made);
  const others = ['ingest', 'transforms'].map((name) => startChild(name, env));
  const doomed = startChild('alerts', { ...env, TIDEMARK_CRASH_AT: 'after-relay-send:1' });
  await expect.poll(() => openAlerts(postgres), PATIENCE).toHaveLength(1);

  const labelsContract = { ...labels, topic: topicOf('bronze.labels') };
  const deps = { postgres, classNames, labels: labelsContract, crashPoint: noCrash };
  const saidMs = Date.now();
  await recordVerdict({ ...deps, nowMs: saidMs }, { alert: 1, verdict: 'legitimate', by: 'ann' });
  expect((await doomed.ended).point).toBe('after-relay-send:1');
  const alerts = startChild('alerts', env);
  const nowMs = Date.now();
  await recordVerdict(
    { ...deps, nowMs },
    { alert: 1, verdict: 'fraud', type: 'fraud_structuring', by: 'bob' },
  );

  await using lake = await openLake(loadConfig(env), { log: silentLog });
  const newest = () =>
    rowsOf(
      lake,
      `select event_id, revision, label, fraud_type from silver.labels where source = 'verdict'
      order by event_id, revision`,
    );
  const expected = ['e0-0', 'e0-1', 'e0-2'].flatMap((event) => [
    [event, 1, 'legitimate', null],
    [event, 2, 'fraud', 'fraud_structuring'],
  ]);
  await expect.poll(newest, PATIENCE).toEqual(expected);
  console.log(`verdict to silver.labels, over a killed relay: ${Date.now() - saidMs} ms`);
  const records = await recordsOf(labelsContract.topic);
  expect(records.length).toBeGreaterThanOrEqual(9);
  const landed = () => rowsOf(lake, 'select count(*)::int from bronze.labels where _error is null');
  await expect.poll(landed, PATIENCE).toEqual([[records.length]]);
  const places = await rowsOf(lake, 'select distinct event_id, _partition from bronze.labels');
  for (const [event, partition] of places) {
    expect(partition).toBe(partitionOf(String(event), labelsContract.partitions));
  }

  // PostgreSQL is lost with everything in it: alerts are made again, and revisions go on.
  alerts.kill('SIGTERM');
  expect((await alerts.ended).code, alerts.output()).toBe(0);
  const newUrl = await freshDatabase();
  await using fresh = await openStore(newUrl);
  const again = startChild('alerts', { ...env, TIDEMARK_POSTGRES_URL: newUrl });
  await expect.poll(() => fresh.query('select what from tidemark.restored'), PATIENCE).toHaveLength(1);
  await expect.poll(() => openAlerts(fresh), PATIENCE).toHaveLength(1);
  const said = { alert: 1, verdict: 'unsure', by: 'cho', eventId: 'e0-1' } as const;
  await recordVerdict({ ...deps, postgres: fresh, nowMs: Date.now() }, said);
  const last = () =>
    rowsOf(
      lake,
      "select label, revision from silver.event_labels where event_id = 'e0-1' and source = 'verdict'",
    );
  await expect.poll(last, PATIENCE).toEqual([['unsure', 3]]);
  for (const child of [...others, again]) child.kill('SIGTERM');
  for (const child of [...others, again]) expect((await child.ended).code, child.output()).toBe(0);
}, 240_000);

function openAlerts(postgres: Postgres) {
  return listAlerts(postgres, { state: 'open', severity: undefined, limit: 9 });
}

async function rowsOf(lake: Awaited<ReturnType<typeof openLake>>, sql: string): Promise<unknown[][]> {
  await using gateway = await openSqlGateway(lake, {
    limits: { memoryBytes: 256 * 2 ** 20, threads: 1, timeoutMs: 30_000 },
  });
  try {
    await using answer = await gateway.query(sql);
    const all: unknown[][] = [];
    for await (const chunk of answer.chunks) all.push(...chunk);
    return all;
  } catch (error) {
    // Nothing has landed yet.
    if (isFault(error, 'SQL_NO_RELEASE') || isFault(error, 'SQL_TABLE_UNKNOWN')) return [];
    throw error;
  }
}
