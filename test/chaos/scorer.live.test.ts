import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { fetchTopicStates } from '../../infra/core/kafka.ts';
import { openGrid } from '../../infra/grid.ts';
import { Rng } from '../../ingestion/simulator/prng.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import type { Decision } from '../../scoring/decision.ts';
import { type Death, planKills, SCORE_POINTS } from './killPlan.ts';
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

/**
 * Scorers are killed again and again under traffic, one as a zombie with another model. What readers keep
 * by the high-water rule equals, vector by vector, what a scorer decided that nobody disturbed.
 */
const seed = Number(process.env['TIDEMARK_CHAOS_SEED'] ?? Date.now() % 1_000_000);
const EVENTS = 50_000;
const BURST = 100;
const RANDOM_KILLS = 12;
const PATIENCE = { timeout: 120_000, interval: 200 };

let world: ScoredWorld;
let killed: DecidedTopic;
let calm: DecidedTopic;
const deaths: string[] = [];

beforeAll(async () => {
  console.log(`chaos seed ${seed} (TIDEMARK_CHAOS_SEED repeats it)`);
  world = await openScoredWorld('kills');
});

afterAll(() => world[Symbol.asyncDispose]());

describe('scorers that are killed at any instruction', () => {
  test('die at every numbered point and at random while records come', async () => {
    await using lake = await world.lake('killed');
    for (const name of ['killed', 'calm']) await prepare(name);
    // What lands before the first scorer of a lake is never decided: this one is killed where it has begun.
    await live({ kind: 'point', spec: 'after-starts:1' });
    await live({ kind: 'point', spec: 'after-restore:1' });
    await using undisturbed = startProcess('score', calmEnv());
    await using sources = startProcess('ingest', landingEnv('sources'));
    const stop = new AbortController();
    const sending = sendTraffic(stop.signal);
    const rng = new Rng('scorer', seed);
    const plan = planKills(SCORE_POINTS, RANDOM_KILLS, rng);
    const half = Math.ceil(plan.length / 2);
    // Decisions land late: their tail is where the first lives find their places.
    for (const death of plan.slice(0, half)) await live(death);
    await using decisions = startProcess('ingest', landingEnv('decisions'));
    await rivalZombie(lake);
    for (const death of plan.slice(half)) await live(death);
    stop.abort();
    console.log(`${await sending} records, ${deaths.join(' ')}`);
    await using last = startProcess('score', scoreEnv('last'));
    await expect.poll(() => undecided(world, lake), PATIENCE).toBe(0);
    await expect.poll(() => calmLag(), PATIENCE).toBe(0);
    for (const child of [last, undisturbed, sources, decisions]) await stopCleanly(child);
    killed = await readDecisions(world.brokers, decisionsOf(world.content()).topic);
    calm = await readDecisions(world.brokers, decisionsOf(world.content('calm')).topic);

    expect(deaths.length).toBeGreaterThanOrEqual(20);
    for (const point of SCORE_POINTS) expect(deaths.some((how) => how.startsWith(`${point}:`))).toBe(true);
  }, 540_000);

  test('leave no record without a decision and none with two', async () => {
    const sources = await world.sources();
    expect(missing(sources, killed).slice(0, 5)).toEqual([]);
    expect(missing(sources, calm).slice(0, 5)).toEqual([]);
    expect(killed.misplaced).toEqual([]);
    expect(calm.dropped).toBe(0);
    // Lives that ended before an acknowledgement, and the zombie: the rule has had something to drop.
    expect(killed.dropped).toBeGreaterThan(0);
  });

  test('leave the vectors of a scorer that never stopped, bit for bit', () => {
    const places = [...calm.decisions].flatMap(([name, own]) =>
      [...own].map((one) => [name, ...one] as const),
    );
    const differences = places.filter(([name, offset, decision]) => {
      const other = killed.decisions.get(name)?.get(offset);
      // A start holds gold values back to what it has to decide: for a record that is too late some are not held.
      return isHeld(decision) && isHeld(other) && seen(decision) !== seen(other);
    });
    const count = (is: (decision: Decision) => boolean) => places.filter(([, , one]) => is(one)).length;
    const counts = {
      bad: count(({ reason_code }) => reason_code === 'BAD_RECORD'),
      late: count(({ reason_code }) => reason_code === 'TOO_LATE'),
      notHeld: count((one) => !isHeld(one)),
      scored: count(({ p_fraud }) => p_fraud !== undefined),
    };
    console.log(`${calm.decisions.size} partitions`, counts, `${killed.dropped} repeated`);
    expect(differences.slice(0, 5).map(([name, offset]) => `${name}:${offset}`)).toEqual([]);
    expect(counts.notHeld).toBeLessThan(places.length / 100);
    expect(counts.bad).toBeGreaterThan(500);
    expect(counts.late).toBeGreaterThan(100);
    expect(busyKeys(calm)).toBeGreaterThan(1_000);
  });

  test('would be found out by one changed vector', () => {
    const [own] = calm.decisions.values();
    const decision = [...(own?.values() ?? [])].find(({ vector }) => vector !== undefined);
    if (decision?.vector === undefined) throw new Error('no vector');
    expect(seen({ ...decision, vector: `B${decision.vector.slice(1)}` })).not.toBe(seen(decision));
  });
});

/** What does not depend on when it was decided, or by which model. */
function seen(decision: Decision | undefined): string {
  const { decision_id, key, event_id, event_time, feature_list, vector, statuses } = decision ?? {};
  return JSON.stringify({ decision_id, key, event_id, event_time, feature_list, vector, statuses });
}

function isHeld(decision: Decision | undefined): boolean {
  return decision?.statuses?.includes('H') !== true;
}

function busyKeys({ decisions }: DecidedTopic): number {
  const counts = new Map<string, number>();
  for (const own of decisions.values()) {
    for (const { key } of own.values()) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts.values()].filter((count) => count > 20).length;
}

/** A group of its own: nobody waits until the one that was killed is given up. */
function scoreEnv(life: string): Record<string, string> {
  return world.env('killed', { TIDEMARK_SCORE_GROUP: `${world.prefix}${life}` });
}

function calmEnv(): Record<string, string> {
  return world.env('calm', { TIDEMARK_TEST_CONTENT: `calm:${world.prefix}` });
}

function landingEnv(kind: string): Record<string, string> {
  const TIDEMARK_TEST_CONTENT = `${kind}:${world.prefix}`;
  return world.env('killed', { TIDEMARK_TEST_CONTENT, TIDEMARK_GROUP: `${world.prefix}${kind}` });
}

/** A history that feeds windows and marts, and models. */
async function prepare(name: string): Promise<void> {
  await world.landHistory(name, seed + 1, 3_000);
  await using lake = await world.lake(name);
  const content = world.content();
  const run = await openGrid(lake, content, loadConfig(world.env(name)));
  expect((await run()).outcome).toBe('published');
  await registerModel(lake, content, { version: 'first', logAmount: 5 });
  await registerModel(lake, content, { version: 'second', logAmount: 4 });
  await promote(lake, 'first');
}

/** Two busy domains; the third stays idle. */
async function sendTraffic(ended: AbortSignal): Promise<number> {
  const stream = traffic(seed);
  let sent = 0;
  for (; sent < EVENTS || !ended.aborted; sent += BURST) {
    await world.send(stream, BURST);
    // What is left when the last one has died is sent at once.
    if (!ended.aborted) await wait(250);
  }
  return sent;
}

/** One life of a scorer; it ends as planned. */
async function live(death: Death): Promise<void> {
  const env = scoreEnv(`life${deaths.length}`);
  if (death.kind === 'point') env['TIDEMARK_CRASH_AT'] = death.spec;
  await using child = startProcess('score', env);
  if (death.kind === 'random') {
    // Some die before they have begun, most of them while they decide.
    if (death.afterMs > 1_000) await expect.poll(() => partitionsOf(child.output()), PATIENCE).toBeDefined();
    await wait(death.afterMs % 1_500);
    child.kill('SIGKILL');
  } else {
    await expect.poll(() => child.output(), PATIENCE).toContain(`crash point ${death.spec} hit`);
  }
  const { signal, code, point, stderr } = await child.ended;
  if (signal !== 'SIGKILL') throw new Error(`it ended by itself with ${code}:\n${stderr.slice(-3_000)}`);
  deaths.push(point ?? 'random');
}

/** A scorer stops in the middle; another one goes on with another model; then the first one wakes up. */
async function rivalZombie(lake: Lake): Promise<void> {
  await using zombie = startProcess('score', scoreEnv('zombie'));
  await decidesOn();
  zombie.kill('SIGSTOP');
  await promote(lake, 'second');
  await using heir = startProcess('score', scoreEnv('heir'));
  await decidesOn();
  zombie.kill('SIGCONT');
  const { topic } = decisionsOf(world.content());
  const repeated = async () => (await readDecisions(world.brokers, topic)).dropped;
  await expect.poll(repeated, { ...PATIENCE, interval: 2_000 }).toBeGreaterThan(0);
  await stopCleanly(heir);
}

/** Until more decisions come. */
async function decidesOn(): Promise<void> {
  const before = await decidedCount('payments');
  await expect.poll(() => decidedCount('payments'), PATIENCE).toBeGreaterThan(before + 500);
}

async function decidedCount(kind: string): Promise<number> {
  const [state] = await fetchTopicStates(world.brokers, [decisionsOf(world.content(kind)).topic]);
  return (state?.partitions ?? []).reduce((sum, { logEnd }) => sum + logEnd, 0);
}

async function calmLag(): Promise<number> {
  const sources = await world.sources();
  const records = sources
    .flatMap(({ partitions }) => partitions)
    .reduce((sum, { logEnd }) => sum + logEnd, 0);
  return records - (await decidedCount('calm'));
}
