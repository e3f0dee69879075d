import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject } from 'vitest';
import type { Content } from '../../infra/content.ts';
import { loadConfig } from '../../infra/core/config.ts';
import { connectProducer, ensureTopics, fetchTopicStates, type TopicState } from '../../infra/core/kafka.ts';
import { readTopic } from '../../infra/core/kafkaReader.ts';
import { openLake } from '../../infra/lake.ts';
import { answeredAppId } from '../../ingestion/answered.ts';
import { landFile } from '../../ingestion/landFile.ts';
import { topicSpecs } from '../../ingestion/landing.ts';
import { partitionName } from '../../ingestion/partitionIdentity.ts';
import { liveLabelDelay } from '../../ingestion/simulator/labelling.ts';
import {
  createLiveStream,
  type LiveStream,
  type SimulatedRecord,
} from '../../ingestion/simulator/liveStream.ts';
import { Rng } from '../../ingestion/simulator/prng.ts';
import { createWorld } from '../../ingestion/simulator/world.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { openTable } from '../../lakehouse/table.ts';
import { type Decision, placeOf } from '../../scoring/decision.ts';
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
  send(stream: Pick<LiveStream, 'next'>, records: number): Promise<void>;
  /** Lands history of before `endMs` in a lake, some days of it. */
  landHistory(lakeName: string, seed: number, records: number): Promise<void>;
  /** Identity and extent of the sources. */
  sources(): Promise<TopicState[]>;
}

export async function openScoredWorld(name: string): Promise<ScoredWorld> {
  const brokers = [inject('services').kafka];
  const openedMs = Date.now();
  const prefix = `${name}${process.pid}-${openedMs}.`;
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
    landHistory: async (lakeName, seed, records) => {
      const config = loadConfig(env(lakeName));
      await using lake = await openLake(config, { log: silentLog });
      // The same in every lake.
      const stream = traffic(seed, openedMs - HISTORY_AGE_MS);
      const all = Array.from({ length: records }, () => stream.next());
      for (const [topic, some] of Map.groupBy(all, (one) => one.topic)) {
        const contract = content().contracts.find((one) => one.topic === `${prefix}${topic}`);
        if (contract === undefined) throw new Error(`no contract of ${topic}`);
        const path = join(home, `${topic}.ndjson`);
        await writeFile(path, some.map(historyLine).join(''));
        await landFile(
          { lake, kafka: config.kafka, limits: config.flush, log: silentLog },
          { path, contract },
        );
      }
    },
    sources: () => fetchTopicStates(brokers, sourceTopics(content())),
    [Symbol.asyncDispose]: async () => {
      await producer[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/**
 * Two busy domains, the third stays idle: actors with tens of records each, out of order, too late, twice,
 * damaged. Records of the ten minutes before `endMs`, or more of them.
 */
export function traffic(seed: number, endMs = Date.now()): Pick<LiveStream, 'next'> {
  const stream = createLiveStream({
    world: createWorld({ seed, actorsPerDomain: ACTORS }),
    domains: ['gaming', 'fintech'],
    ratePerMinute: 6_000,
    startMs: endMs - 10 * 60_000,
    fraudRate: 0.05,
    labelDelay: liveLabelDelay(5_000),
    irregularities: { late: 0.07, duplicates: 0.02, bad: 0.02, unknownFields: 0.01 },
  });
  const rng = new Rng('busy', seed);
  const busy = new Map<string, string[]>();
  return {
    next: () => {
      const record = stream.next();
      const keys = busy.get(record.topic) ?? [];
      busy.set(record.topic, keys);
      if (record.key === null || typeof record.value !== 'string') return record;
      if (keys.length < ACTORS && !keys.includes(record.key)) keys.push(record.key);
      const key = keys[rng.int(0, keys.length - 1)] ?? record.key;
      return { ...record, key, value: record.value.replaceAll(`"${record.key}"`, `"${key}"`) };
    },
  };
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

/** How many partitions a scorer has taken up last, by its log; undefined: none yet. */
export function partitionsOf(output: string): number | undefined {
  const [, count] = [...output.matchAll(/"partitions":(\d+).*partitions taken up/g)].at(-1) ?? [];
  return count === undefined ? undefined : Number(count);
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

/** Old enough for a closed grid point, young enough for windows. */
const HISTORY_AGE_MS = 3 * 3_600_000;

function historyLine({ key, value, timestampMs }: SimulatedRecord): string {
  const arrived_at = new Date(timestampMs).toISOString();
  const text = value === null || typeof value === 'string' ? value : Buffer.from(value).toString('latin1');
  return `${JSON.stringify({ key, value: text, arrived_at })}\n`;
}

/** Of each domain. */
const ACTORS = 600;

function sourceTopics({ contracts, features }: Content): string[] {
  const tables = new Set(features.sources.map(({ table }) => table));
  return contracts.filter(({ table }) => tables.has(table)).map(({ topic }) => topic);
}
