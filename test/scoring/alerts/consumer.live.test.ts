import { expect, test } from 'vitest';
import { systemClock } from '../../../infra/core/clock.ts';
import { noCrash } from '../../../infra/core/crashPoint.ts';
import { connectProducer, ensureTopics, fetchTopicStates } from '../../../infra/core/kafka.ts';
import type { Postgres } from '../../../infra/core/postgres.ts';
import type { Contract } from '../../../ingestion/contract.ts';
import { topicSpecs } from '../../../ingestion/landing.ts';
import { consumeDecisions } from '../../../scoring/alerts/alertConsumer.ts';
import { adoptTopic } from '../../../scoring/alerts/progress.ts';
import { closeAlert } from '../../../scoring/alerts/verdict.ts';
import { kafkaClient } from '../../ingestion/liveLanding.ts';
import { silentLog } from '../../support/tempLake.ts';
import {
  alertFacts,
  brokers,
  decisionOf,
  expectedAlerts,
  freshDatabase,
  freshTopic,
  mixture,
  openStore,
  recordOf,
  seenOffsets,
  send,
  startAlerts,
} from './support.ts';

const PATIENCE = { timeout: 60_000, interval: 100 };

test('one open alert a key and window, or a reason and window; later decisions join it', async () => {
  const [url, contract] = [await freshDatabase(), await freshTopic()];
  const made = mixture(3_000);
  await send(contract.topic, made);
  await using postgres = await openStore(url);
  await using _ = startAlerts(url, contract);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(3_000);
  expect(await alertFacts(postgres)).toEqual(expectedAlerts(made));

  const more = mixture(300, 3_000);
  await send(contract.topic, more);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(3_300);
  expect(await alertFacts(postgres)).toEqual(expectedAlerts([...made, ...more]));
});

test('what a zombie repeats is dropped: the first record of an id is the decision', async () => {
  const [url, contract] = [await freshDatabase(), await freshTopic()];
  const made = mixture(900);
  // Another model says the opposite about the same records, and an older scorer starts far behind.
  const repeats = mixture(900)
    .slice(300)
    .map((one) => ({ ...one, decision: 'decline' as const, model_version: 'zombie' }));
  await using postgres = await openStore(url);
  await using _ = startAlerts(url, contract);
  await send(contract.topic, [...made, ...repeats]);
  const fresh = mixture(90, 900);
  await send(contract.topic, [...repeats, ...fresh]);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(990);
  expect(await alertFacts(postgres)).toEqual(expectedAlerts([...made, ...fresh]));
  const zombies = await postgres.query(
    `select 1 from tidemark.alert_decisions where model_version = 'zombie'`,
  );
  expect(zombies).toEqual([]);
});

test('two consumers at once, one of them coming and going: every decision counts once', async () => {
  const [url, contract] = [await freshDatabase(), await freshTopic()];
  const made = mixture(6_000);
  await using postgres = await openStore(url);
  await using _first = startAlerts(url, contract);
  for (let sent = 0; sent < made.length; sent += 1_000) {
    await using _second = startAlerts(url, contract);
    await send(contract.topic, made.slice(sent, sent + 500));
    await send(contract.topic, made.slice(sent + 500, sent + 1_000));
    await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(sent + 1_000);
  }
  expect(await alertFacts(postgres)).toEqual(expectedAlerts(made));
});

test('a flood of reviews without a model is one alert, which keeps a hundred and counts all', async () => {
  const [url, contract] = [await freshDatabase(), await freshTopic()];
  const decided_at = new Date().toISOString();
  const flood = Array.from({ length: 4_000 }, (_, n) => {
    const place = { partition: n % 3, offset: Math.floor(n / 3) };
    const rest = { decision: 'review', risk_tier: 'high', reason_code: 'NO_MODEL', decided_at } as const;
    return decisionOf(place, { ...rest, key: `key${n}` });
  });
  await send(contract.topic, flood);
  await using postgres = await openStore(url);
  await using _ = startAlerts(url, contract);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(4_000);
  expect(await alertFacts(postgres)).toMatchObject([{ subject: 'NO_MODEL', decisions: 4_000, kept: 100 }]);
  const severities = await postgres.query('select severity from tidemark.alerts');
  expect(severities).toEqual([{ severity: 'critical' }]);
});

test('what comes after an alert was closed opens another one in the same window', async () => {
  const [url, contract] = [await freshDatabase(), await freshTopic()];
  const decided_at = new Date().toISOString();
  const review = (offset: number) =>
    decisionOf({ partition: 0, offset }, { key: 'k', decision: 'review', risk_tier: 'medium', decided_at });
  await using postgres = await openStore(url);
  await using _ = startAlerts(url, contract);
  await send(contract.topic, [review(0), review(1)]);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(2);
  await closeAlert(postgres, { alert: 1, by: 'ann', nowMs: Date.now() });
  await send(contract.topic, [review(2)]);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(3);
  const rows = await postgres.query('select state, decisions from tidemark.alerts order by number');
  expect(rows).toEqual([
    { state: 'closed', decisions: 2 },
    { state: 'open', decisions: 1 },
  ]);
});

test('records that are no decisions, and texts that PostgreSQL cannot hold, do not stop the consumer', async () => {
  const [url, contract] = [await freshDatabase(), await freshTopic()];
  const rest = { decision: 'review', risk_tier: 'high' } as const;
  const nul = decisionOf(
    { partition: 0, offset: 0 },
    { ...rest, key: 'a\u0000b', reasons: ['x\u0000'], event_id: 'e\u0000' },
  );
  const long = decisionOf({ partition: 0, offset: 1 }, { ...rest, key: `${'ü€'.repeat(20_000)}1` });
  const longer = {
    ...long,
    decision_id: long.decision_id.replace(/1$/, '2'),
    key: `${'ü€'.repeat(20_000)}2`,
  };
  const last = decisionOf({ partition: 0, offset: 3 }, { ...rest, key: 'end' });
  const strangers = [
    { key: 'x', value: 'no json', partition: 0 },
    { key: 'x', value: null, partition: 0 },
    { key: 'x', value: JSON.stringify({ ...last, key: 'x', decision_id: 'no place' }), partition: 0 },
    {
      key: 'end',
      value: JSON.stringify({ ...last, decision_id: 'src:id:0:99999999999999999999' }),
      partition: 0,
    },
    { key: 'end', value: JSON.stringify({ ...last, decision_id: 'src:id:7:1' }), partition: 0 },
    { key: 'end', value: JSON.stringify({ ...last, decision_id: 's\u0000rc:id:0:1' }), partition: 0 },
  ];
  await using producer = await connectProducer({ brokers: brokers(), clientId: 'test', log: silentLog });
  await producer.send(contract.topic, [...[nul, long, longer].map(recordOf), ...strangers, recordOf(last)]);
  await using postgres = await openStore(url);
  await using _ = startAlerts(url, contract);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(4);
  const facts = await alertFacts(postgres);
  expect(facts.map((one) => one.decisions)).toEqual([1, 1, 1, 1]);
  expect(facts.map((one) => one.subject)).toContain('a\ufffdb');
  expect(Math.max(...facts.map((one) => one.subject.length))).toBe(256);
});

test('a topic that was made again stops the consumer until somebody adopts it; then repeats are dropped', async () => {
  const [url, contract] = [await freshDatabase(), await freshTopic()];
  const made = mixture(300);
  await send(contract.topic, made);
  await using postgres = await openStore(url);
  const running = consume(postgres, contract);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(300);

  await makeAgain(contract);
  await expect(running.done).rejects.toMatchObject({ code: 'ALERTS_TOPIC_RECREATED' });
  const more = mixture(60, 300);
  await send(contract.topic, [...made.slice(0, 90), ...more]);
  await expect(consume(postgres, contract).done).rejects.toMatchObject({ code: 'ALERTS_TOPIC_RECREATED' });
  expect(await seenOffsets(postgres)).toBe(300);

  const [state] = await fetchTopicStates(brokers(), [contract.topic]);
  if (state === undefined) throw new Error('no topic');
  expect(await adoptTopic(postgres, state)).toBe(true);
  expect(await adoptTopic(postgres, state)).toBe(false);
  const adopted = consume(postgres, contract);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(360);
  await adopted.stop();
  expect(await alertFacts(postgres)).toEqual(expectedAlerts([...made, ...more]));
});

test('records that Kafka removed before they were read stop the consumer until somebody adopts that', async () => {
  const [url, contract] = [await freshDatabase(), await freshTopic()];
  await send(contract.topic, mixture(300));
  await using postgres = await openStore(url);
  const first = consume(postgres, contract);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(300);
  await first.stop();
  await send(contract.topic, mixture(60, 300));
  const admin = kafkaClient().admin();
  await admin.connect();
  // Loads the metadata that the next call stands on.
  await admin.fetchTopicOffsets(contract.topic);
  await admin.deleteTopicRecords({ topic: contract.topic, partitions: [{ partition: 1, offset: '110' }] });
  await admin.disconnect();
  await expect(consume(postgres, contract).done).rejects.toMatchObject({
    code: 'ALERTS_LOG_CHANGED',
    details: { partition: 1, next: 100, logStart: 110 },
  });
  const [state] = await fetchTopicStates(brokers(), [contract.topic]);
  if (state === undefined) throw new Error('no topic');
  await adoptTopic(postgres, state);
  const second = consume(postgres, contract);
  await expect.poll(() => seenOffsets(postgres), PATIENCE).toBe(360);
  await second.stop();
});

function consume(postgres: Postgres, contract: Contract) {
  const controller = new AbortController();
  const done = consumeDecisions(
    {
      postgres,
      contract,
      brokers: brokers(),
      groupId: `alerts-${contract.topic}`,
      windowMs: 3_600_000,
      clock: systemClock,
      log: silentLog,
      crashPoint: noCrash,
    },
    controller.signal,
  );
  // Whoever waits for the end sees the error; nobody has to.
  done.catch(() => undefined);
  return {
    done,
    stop: async () => {
      controller.abort();
      await done;
    },
  };
}

async function makeAgain(contract: Contract): Promise<void> {
  const admin = kafkaClient().admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [contract.topic] });
  await expect.poll(() => fetchTopicStates(brokers(), [contract.topic]), PATIENCE).toEqual([]);
  await admin.disconnect();
  await ensureTopics(brokers(), topicSpecs(contract));
}
