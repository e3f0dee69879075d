import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { ensureTopics, fetchTopicStates } from '../../infra/core/kafka.ts';
import { openGrid } from '../../infra/grid.ts';
import { topicSpecs } from '../../ingestion/landing.ts';
import { placeOf } from '../../scoring/decision.ts';
import { kafkaClient } from '../ingestion/liveLanding.ts';
import type { Child } from '../support/childProcess.ts';
import {
  type DecidedTopic,
  decisionsOf,
  missing,
  openScoredWorld,
  partitionsOf,
  readDecisions,
  type ScoredWorld,
  startProcess,
  stopCleanly,
  traffic,
  undecided,
} from './scoredWorld.ts';
import { promote, registerModel } from './scorerModels.ts';

/** Scorers that share a group, models that change while they decide, topics that are made again. */

const PATIENCE = { timeout: 120_000, interval: 500 };
/** Partitions of the three sources. */
const ALL = 36;

let world: ScoredWorld;
beforeEach(async () => {
  world = await openScoredWorld('group');
  for (const name of ['a', 'calm']) await prepare(name);
});
afterEach(() => world[Symbol.asyncDispose]());

test('scorers share the work; partitions go from one to another and come back', async () => {
  await using lake = await world.lake('a');
  await using one = startProcess('score', world.env('a'));
  await using calm = startProcess('score', calmEnv());
  await Promise.all([owns(one, ALL), owns(calm, ALL)]);
  await using ingest = startProcess('ingest', world.env('a'));
  const stream = traffic(11);
  const more = () => world.send(stream, 1_500);
  await more();
  await using two = startProcess('score', world.env('a'));
  await owns(one, ALL / 2);
  await more();
  await using three = startProcess('score', world.env('a'));
  await owns(one, ALL / 3);
  await more();
  await allDecided(lake);
  await stopCleanly(two);
  await owns(one, ALL / 2);
  await more();
  await stopCleanly(three);
  await owns(one, ALL);
  await more();
  await allDecided(lake);
  await calmCaughtUp();
  const [shared, alone] = [await decided(), await decided('calm')];
  expect(missing(await world.sources(), shared).slice(0, 5)).toEqual([]);
  expect(vectorsOf(shared)).toEqual(vectorsOf(alone));
  for (const child of [one, calm, ingest]) await stopCleanly(child);
});

test('a model takes over between two batches, a broken one does not, and an order to stop loses nothing', async () => {
  await using lake = await world.lake('a');
  await using ingest = startProcess('ingest', world.env('a'));
  await using first = startProcess('score', world.env('a'));
  await owns(first, ALL);
  const stream = traffic(12);
  let isSending = true;
  const sending = (async () => {
    while (isSending) await world.send(stream, 300);
  })();
  await decidedBy('first');
  await promote(lake, 'second');
  await decidedBy('second');
  await registerModel(lake, world.content(), { version: 'broken', logAmount: 3 });
  await lake.store.put('_models/broken/model.onnx', Buffer.from('no model'));
  await promote(lake, 'broken');
  await expect.poll(() => first.output(), PATIENCE).toContain('this model cannot be used');
  await decidedBy('second');
  // Under load.
  await stopCleanly(first);
  await promote(lake, 'first');
  await using heir = startProcess('score', world.env('a'));
  await decidedBy('first');
  isSending = false;
  await sending;
  await allDecided(lake);
  for (const child of [heir, ingest]) await stopCleanly(child);

  const topic = await decided();
  expect(missing(await world.sources(), topic).slice(0, 5)).toEqual([]);
  expect(topic.dropped).toBe(0);
  const all = [...topic.decisions.values()].flatMap((own) => [...own.values()]);
  const reasons = new Set(all.map(({ reason_code }) => reason_code));
  expect([...reasons].toSorted()).toEqual(['BAD_RECORD', 'TOO_LATE', undefined]);
  for (const own of topic.decisions.values()) {
    const versions = [...own.values()].flatMap(({ model_version }) => model_version ?? []);
    const stretches = versions.filter((version, i) => version !== versions[i - 1]);
    expect(['first second first', 'first second', 'first']).toContain(stretches.join(' '));
  }
});

test('a source that was made again is refused, by the scorer that runs and by the next one', async () => {
  await using lake = await world.lake('a');
  await using ingest = startProcess('ingest', world.env('a'));
  await using score = startProcess('score', world.env('a'));
  const stream = traffic(13);
  await world.send(stream, 1_000);
  await allDecided(lake);
  await stopCleanly(ingest);
  const source = (await world.sources())[0];
  const contract = world.content().contracts.find(({ topic }) => topic === source?.topic);
  if (source === undefined || contract === undefined) throw new Error('no source');
  const admin = kafkaClient().admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [contract.topic] });
  await expect.poll(async () => (await admin.listTopics()).includes(contract.topic), PATIENCE).toBe(false);
  await ensureTopics(world.brokers, topicSpecs(contract));
  await admin.disconnect();
  await world.send(stream, 1_000);
  const ending = await score.ended;
  expect(ending.code).toBe(1);
  expect(ending.stderr).toMatch(/LANDING_TOPIC_(RECREATED|GONE)/);
  await using again = startProcess('score', world.env('a'));
  const refused = await again.ended;
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('topics adopt');
  const ids = new Set(
    [...(await decided()).decisions.values()].flatMap((own) => [...own.values()].map(idOf)),
  );
  const [state] = await fetchTopicStates(world.brokers, [contract.topic]);
  expect(ids).toContain(source.topicId);
  expect(ids).not.toContain(state?.topicId);
});

// === Helpers ===

/** A history that feeds windows and marts, and models. */
async function prepare(name: string): Promise<void> {
  await world.landHistory(name, 5, 1_000);
  await using lake = await world.lake(name);
  const content = world.content();
  const run = await openGrid(lake, content, loadConfig(world.env(name)));
  expect((await run()).outcome).toBe('published');
  await registerModel(lake, content, { version: 'first', logAmount: 5 });
  await registerModel(lake, content, { version: 'second', logAmount: 4 });
  await promote(lake, 'first');
}

function calmEnv(): Record<string, string> {
  return world.env('calm', { TIDEMARK_TEST_CONTENT: `calm:${world.prefix}` });
}

/** Until a process owns so many partitions. */
async function owns(child: Child, partitions: number): Promise<void> {
  await expect.poll(() => partitionsOf(child.output()), PATIENCE).toBe(partitions);
}

async function allDecided(lake: Parameters<typeof undecided>[1]): Promise<void> {
  await expect.poll(() => undecided(world, lake), PATIENCE).toBe(0);
}

async function calmCaughtUp(): Promise<void> {
  const count = async (topics: readonly string[]) => {
    const states = await fetchTopicStates(world.brokers, topics);
    return states.flatMap(({ partitions }) => partitions).reduce((sum, { logEnd }) => sum + logEnd, 0);
  };
  const sources = await count((await world.sources()).map(({ topic }) => topic));
  await expect.poll(() => count([decisionsOf(world.content('calm')).topic]), PATIENCE).toBe(sources);
}

async function decided(kind = 'payments'): Promise<DecidedTopic> {
  return await readDecisions(world.brokers, decisionsOf(world.content(kind)).topic);
}

/** Until a model has decided something new. */
async function decidedBy(version: string): Promise<void> {
  const count = async () => {
    const all = [...(await decided()).decisions.values()].flatMap((own) => [...own.values()]);
    return all.filter(({ model_version }) => model_version === version).length;
  };
  const before = await count();
  await expect.poll(count, PATIENCE).toBeGreaterThan(before);
}

/** By id, what does not depend on who decided when. */
function vectorsOf({ decisions }: DecidedTopic): Record<string, string> {
  const all = [...decisions.values()].flatMap((own) => [...own.values()]);
  return Object.fromEntries(
    all.map((one) => [one.decision_id, `${one.statuses} ${one.vector} ${one.p_fraud}`]).toSorted(),
  );
}

function idOf({ decision_id }: { readonly decision_id: string }): string | undefined {
  return placeOf(decision_id)?.topicId;
}
