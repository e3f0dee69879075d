import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject } from 'vitest';
import type { Content } from '../../infra/content.ts';
import { loadConfig } from '../../infra/core/config.ts';
import { connectProducer, ensureTopics, fetchTopicStates, type TopicState } from '../../infra/core/kafka.ts';
import { readTopic } from '../../infra/core/kafkaReader.ts';
import { openLake } from '../../infra/lake.ts';
import { answeredAppId } from '../../ingestion/answered.ts';
import { topicSpecs } from '../../ingestion/landing.ts';
import type { Domain } from '../../ingestion/simulator/domains.ts';
import { liveLabelDelay } from '../../ingestion/simulator/labelling.ts';
import { createLiveStream, type LiveStream } from '../../ingestion/simulator/liveStream.ts';
import { createWorld } from '../../ingestion/simulator/world.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { openTable } from '../../lakehouse/table.ts';
import { type Decision, placeOf } from '../../scoring/decision.ts';
import { partitionName } from '../../scoring/starts.ts';
import { type Child, startChild } from '../support/childProcess.ts';
import { silentLog } from '../support/tempLake.ts';
import { contentOf } from '../support/testContent.ts';

/** Topics of its own, lakes in one directory, and traffic: where scorers are put under stress. */
export interface ScoredWorld extends AsyncDisposable {
  readonly prefix: string;
  readonly brokers: readonly string[];
  /** Environment of a process on a lake; `spec` says which content, see `contentOf`. */
  env(lakeName: string, changes?: Readonly<Record<string, string>>): Record<string, string>;
  content(kind?: string): Content;
  lake(lakeName: string): Promise<Lake & AsyncDisposable>;
  /** Records of the sources, into their topics. */
  send(stream: LiveStream, records: number): Promise<void>;
  /** Identity and extent of the sources. */
  sources(): Promise<TopicState[]>;
}

export async function openScoredWorld(name: string): Promise<ScoredWorld> {
  const brokers = [inject('services').kafka];
  const prefix = `${name}${process.pid}-${Date.now()}.`;
  const home = await mkdtemp(join(tmpdir(), `tidemark-${name}-`));
  const content = (kind = 'payments') => contentOf(`${kind}:${prefix}`);
  await ensureTopics(brokers, content().contracts.flatMap(topicSpecs));
  await ensureTopics(brokers, content('calm').contracts.flatMap(topicSpecs));
  const producer = await connectProducer({ brokers, clientId: name, log: silentLog });
  const env: ScoredWorld['env'] = (lakeName, changes = {}) => ({
    TIDEMARK_HOME: join(home, lakeName),
    TIDEMARK_KAFKA: brokers.join(','),
    TIDEMARK_GROUP: `${prefix}${lakeName}`,
    TIDEMARK_SCORE_GROUP: `${prefix}${lakeName}.score`,
    TIDEMARK_SCORE_POLL: '200ms',
    TIDEMARK_FLUSH_INTERVAL: '700ms',
    TIDEMARK_TEST_CONTENT: `payments:${prefix}`,
    ...changes,
  });
  return {
    prefix,
    brokers,
    env,
    content,
    lake: (lakeName) => openLake(loadConfig(env(lakeName)), { log: silentLog }),
    send: async (stream, records) => {
      const byTopic = Map.groupBy(
        Array.from({ length: records }, () => stream.next()),
        ({ topic }) => topic,
      );
      for (const [topic, some] of byTopic) await producer.send(`${prefix}${topic}`, some);
    },
    sources: () => fetchTopicStates(brokers, sourceTopics(content())),
    [Symbol.asyncDispose]: async () => {
      await producer[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Busy actors, out of order, too late, twice, damaged; the rest of the domains stays idle. */
export function traffic(seed: number, domains: readonly Domain[], actors: number): LiveStream {
  return createLiveStream({
    world: createWorld({ seed, actorsPerDomain: actors }),
    domains,
    ratePerMinute: 6_000,
    startMs: Date.now() - 10 * 60_000,
    fraudRate: 0.05,
    labelDelay: liveLabelDelay(5_000),
    irregularities: { late: 0.07, duplicates: 0.02, bad: 0.02, unknownFields: 0.01 },
  });
}

/** A process that must be gone at the end of its scope. */
export function startProcess(name: string, env: Readonly<Record<string, string>>): Child & AsyncDisposable {
  const child = startChild(name, env);
  return {
    ...child,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
      await child.ended;
    },
  };
}

/** SIGTERM, and a clean end. */
export async function stopCleanly(child: Child): Promise<void> {
  child.kill('SIGTERM');
  const ending = await child.ended;
  expect(ending.code, ending.stderr.slice(-3_000)).toBe(0);
}

export interface DecidedTopic {
  /** What counts by the high-water rule, by `partitionName` and offset. */
  readonly decisions: ReadonlyMap<string, ReadonlyMap<number, Decision>>;
  /** What that rule drops. */
  readonly dropped: number;
  /** Decisions that are not in the partition of their record, or not behind the one before. */
  readonly misplaced: readonly string[];
}

/** All that a topic of decisions holds, as its readers see it. */
export async function readDecisions(brokers: readonly string[], topic: string): Promise<DecidedTopic> {
  const [state] = await fetchTopicStates(brokers, [topic]);
  const ranges = (state?.partitions ?? []).map(({ partition, logStart, logEnd }) => {
    return { partition, from: logStart, to: logEnd };
  });
  const decisions = new Map<string, Map<number, Decision>>();
  const high = new Map<string, number>();
  const misplaced: string[] = [];
  let dropped = 0;
  await readTopic({ brokers, topic, ranges, log: silentLog }, async ({ partition, records }) => {
    for (const { value } of records) {
      const decision = JSON.parse(String(value)) as Decision;
      const place = placeOf(decision.decision_id);
      if (place === undefined || place.partition !== partition) {
        misplaced.push(decision.decision_id);
        continue;
      }
      const name = partitionName(place);
      if (place.offset <= (high.get(name) ?? -1)) {
        dropped += 1;
        continue;
      }
      high.set(name, place.offset);
      const own = decisions.get(name) ?? new Map<number, Decision>();
      decisions.set(name, own.set(place.offset, decision));
    }
  });
  return { decisions, dropped, misplaced };
}

/** Offsets without a decision, and decisions about no record; Kafka has all records still. */
export function missing(sources: readonly TopicState[], { decisions }: DecidedTopic): string[] {
  const expected = new Set<string>();
  for (const { topic, topicId, partitions } of sources) {
    for (const { partition, logEnd } of partitions) {
      const name = partitionName({ topic, topicId, partition });
      for (let offset = 0; offset < logEnd; offset += 1) expected.add(`${name}:${offset}`);
    }
  }
  const found = [...decisions].flatMap(([name, own]) => [...own.keys()].map((offset) => `${name}:${offset}`));
  const decided = new Set(found);
  return [
    ...[...expected].filter((place) => !decided.has(place)),
    ...found.filter((place) => !expected.has(place)),
  ];
}

/** Records whose decision has not landed in a lake. */
export async function undecided(world: ScoredWorld, lake: Lake): Promise<number> {
  const table = await openTable(lake, decisionsOf(world.content()).table);
  const txns = (await table?.snapshot())?.txns ?? new Map<string, number>();
  let waiting = 0;
  for (const { topic, topicId, partitions } of await world.sources()) {
    for (const { partition, logEnd } of partitions) {
      waiting += logEnd - (txns.get(answeredAppId({ topic, topicId, partition })) ?? 0);
    }
  }
  return waiting;
}

export function decisionsOf(content: Content) {
  const contract = content.contracts.find(({ answers }) => answers !== undefined);
  if (contract === undefined) throw new Error('no topic of decisions');
  return contract;
}

// === Helpers ===

function sourceTopics({ contracts, features }: Content): string[] {
  const tables = new Set(features.sources.map(({ table }) => table));
  return contracts.filter(({ table }) => tables.has(table)).map(({ topic }) => topic);
}
