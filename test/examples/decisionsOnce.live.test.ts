import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Consumer, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { actOnce } from '../../examples/decisionsOnce.ts';
import { connectProducer, ensureTopics } from '../../infra/core/kafka.ts';
import { projectRoot } from '../support/sourceFiles.ts';
import { silentLog } from '../support/tempLake.ts';

/** What `docs/consuming-decisions.md` shows, with the client of a stranger and a broker of its own. */
interface Decision {
  readonly decision_id: string;
  readonly decision: string;
}

const topic = `decisions-${randomUUID()}`;
const brokers = [inject('services').kafka];
const said = (partition: number, offset: number, decision: string, source = 'tx.a:id'): Decision => ({
  decision_id: `${source}:${partition}:${offset}`,
  decision,
});
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** By partition: two sources, a restart that repeats, a zombie with another mind that comes last. */
const PUBLISHED = range(0, 3).map((p) => [
  ...range(10, 60).flatMap((o) => [said(p, o, 'approve'), said(p, o * 2, 'review', 'tx.b:id')]),
  ...range(40, 80).map((o) => said(p, o, o < 60 ? 'decline' : 'approve')),
  ...range(20, 75).map((o) => said(p, o, 'decline')),
]);

beforeAll(async () => {
  await ensureTopics(brokers, [{ topic, partitions: 3 }]);
  await using producer = await connectProducer({ brokers, clientId: 'zombie', log: silentLog });
  for (const [partition, decisions] of PUBLISHED.entries()) {
    await producer.send(
      topic,
      decisions.map((decision) => ({ key: 'k', value: JSON.stringify(decision), partition })),
    );
  }
});

const open: Consumer[] = [];
afterAll(async () => {
  for (const consumer of open) await consumer.disconnect();
});

/** Reads the topic from its beginning to its end. */
async function consume(highest: Map<string, number>): Promise<Decision[]> {
  const consumer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).consumer({ groupId: randomUUID() });
  open.push(consumer);
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const acted: Decision[] = [];
  const act = async (decision: Decision) => void acted.push(decision);
  let seen = 0;
  await consumer.run({
    eachMessage: async ({ message }) => {
      const decision = JSON.parse(String(message.value));
      await actOnce(highest, decision.decision_id, () => act(decision));
      seen += 1;
    },
  });
  await vi.waitFor(() => expect(seen).toBe(PUBLISHED.flat().length), 60_000);
  return acted;
}

it('acts once on each record, on what was decided first; again from the start it acts on nothing', async () => {
  const highest = new Map<string, number>();
  const acted = await consume(highest);
  const outcomes = new Map(acted.map(({ decision_id, decision }) => [decision_id, decision]));
  expect(outcomes.size).toBe(acted.length);
  const wanted = range(0, 3).flatMap((p) => [
    ...range(10, 80).map((o) => said(p, o, 'approve')),
    ...range(10, 60).map((o) => said(p, o * 2, 'review', 'tx.b:id')),
  ]);
  expect(outcomes).toEqual(new Map(wanted.map(({ decision_id, decision }) => [decision_id, decision])));
  expect(await consume(highest)).toEqual([]);
});

it('acts on a decision whose effect failed, when the message comes again', async () => {
  const highest = new Map<string, number>();
  const failing = () => Promise.reject(new Error('the ledger is away'));
  await expect(actOnce(highest, 'tx.a:id:0:7', failing)).rejects.toThrow('away');
  const acted: string[] = [];
  const act = async () => void acted.push('held');
  for (const id of ['tx.a:id:0:7', 'tx.a:id:0:7', 'tx.a:id:0:6']) await actOnce(highest, id, act);
  expect(acted).toEqual(['held']);
});

it('is what the page shows, in at most ten lines', () => {
  const code = readFileSync(join(projectRoot, 'examples/decisionsOnce.ts'), 'utf8');
  expect(readFileSync(join(projectRoot, 'docs/consuming-decisions.md'), 'utf8')).toContain(code.trim());
  expect(code.trim().split('\n').length).toBeLessThanOrEqual(10);
});
