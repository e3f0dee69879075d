import { randomUUID } from 'node:crypto';
import { isFault } from '../infra/core/errorCatalog.ts';
import type { TopicState } from '../infra/core/kafka.ts';
import { type AddFile, rowsOf } from '../lakehouse/actions.ts';
import type { Lake } from '../lakehouse/lake.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { type LakeTable, listTables, openTable } from '../lakehouse/table.ts';
import { checkRows } from './bronzeRows.ts';
import { type ComparedPartition, compareWithKafka, type OffsetSource } from './kafkaEquality.ts';
import { type ChainState, EMPTY_CHAIN, followChain, type LandedPartition } from './landingChain.ts';
import { checkKeys, type KeyedTable } from './modelKeys.ts';
import { checkReleases, type ReleasesChecked } from './releaseClosure.ts';
import {
  RELEASES_SUBJECT,
  readProgress,
  saveProgress,
  type VerifiedSubject,
  verifiedState,
} from './verifyProgress.ts';
import { collectViolations, type Violation, type ViolationSink } from './violations.ts';

/**
 * Proves from the outside that nothing was lost or doubled between Kafka and the released tables.
 *
 * Steps: one snapshot of each bronze table first → the chain of its landing commits, from where it was
 * verified last → the rows of files that are new since then → set equality with what Kafka still has →
 * closure of the releases → uniqueness of the keys of models. What was clean is kept in `ops.verify`.
 */
export interface VerifyDeps {
  readonly lake: Lake;
  /** Undefined: what Kafka has is not compared, and nothing is kept as verified. */
  readonly source: OffsetSource | undefined;
  readonly onProgress?: (message: string) => void;
}

export interface VerifyRequest {
  /** Topics that land, by bronze table. */
  readonly topics: readonly { readonly topic: string; readonly table: string }[];
  readonly keyedTables: readonly KeyedTable[];
  /** Forget what was verified before, and read all of it again. */
  readonly isFull?: boolean;
}

/** One incarnation of a topic (or a history file) in its table, summed over its partitions. */
export interface IncarnationReport {
  readonly table: string;
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: readonly LandedPartition[];
  /** Of the incarnation that Kafka has now, when Kafka was asked. */
  readonly kafka: readonly ComparedPartition[] | undefined;
}

export interface VerifyReport {
  readonly run: string;
  readonly isClean: boolean;
  readonly violationCount: number;
  readonly violations: readonly Violation[];
  readonly incarnations: readonly IncarnationReport[];
  /** Topics that Kafka has and of which nothing has landed yet, with the records that wait. */
  readonly unlanded: readonly {
    readonly topic: string;
    readonly topicId: string;
    readonly records: number;
  }[];
  readonly releases: ReleasesChecked;
  readonly keyedTables: readonly string[];
}

/** @throws KAFKA_UNAVAILABLE, and errors of the object store: what could not be read is not proved */
export async function verifyLake(deps: VerifyDeps, request: VerifyRequest): Promise<VerifyReport> {
  const { lake, source, onProgress = () => {} } = deps;
  const progress = request.isFull === true ? new Map<string, ChainState>() : await readProgress(lake);
  const all = collectViolations();
  const subjects: VerifiedSubject[] = [];
  const tables = await openBronze(lake);
  const states = source === undefined ? [] : await source.states(topicsOf(request, progress));
  const incarnations: IncarnationReport[] = [];
  for (const [name, opened] of tables) {
    onProgress(`${name}: version ${opened.snapshot.version}`);
    const own = countingSink(all);
    const verified = await verifyTable(
      deps,
      { ...opened, before: verifiedState(progress, name), states },
      own,
    );
    incarnations.push(...verified.incarnations);
    subjects.push({
      subject: name,
      version: verified.chain.version,
      violations: own.count,
      chain: verified.chain,
    });
  }
  onProgress('releases');
  const own = countingSink(all);
  const verifiedRelease = progress.get(RELEASES_SUBJECT)?.version ?? 0;
  const releases = await checkReleases(lake, verifiedRelease, own);
  const version = releases.newest ?? 0;
  subjects.push({ subject: RELEASES_SUBJECT, version, violations: own.count, chain: EMPTY_CHAIN });
  onProgress('keys of models');
  const keyedTables = await checkKeys(lake, request.keyedTables, all);
  const run = { id: randomUUID(), verifiedMs: lake.clock.nowMs() };
  if (source !== undefined) await saveProgress(lake, run, subjects);
  return {
    run: run.id,
    isClean: all.count === 0,
    violationCount: all.count,
    violations: all.found,
    incarnations,
    unlanded: unlandedTopics(states, incarnations),
    releases,
    keyedTables,
  };
}

// === Helpers ===

interface OpenedTable {
  readonly table: LakeTable;
  readonly snapshot: Snapshot;
}

interface TableCheck extends OpenedTable {
  readonly before: ChainState;
  readonly states: readonly TopicState[];
}

async function openBronze(lake: Lake): Promise<Map<string, OpenedTable>> {
  const opened = new Map<string, OpenedTable>();
  for (const name of await listTables(lake)) {
    const table = name.startsWith('bronze.') ? await openTable(lake, name) : undefined;
    if (table !== undefined) opened.set(name, { table, snapshot: await table.snapshot() });
  }
  return opened;
}

async function verifyTable(
  deps: VerifyDeps,
  check: TableCheck,
  violations: ViolationSink,
): Promise<{ chain: ChainState; incarnations: IncarnationReport[] }> {
  const { table, snapshot, states } = check;
  const start = await startingPoint(check);
  const liveFiles = new Map(start.snapshot?.files);
  const commits = table.commits(start.chain.version, snapshot.version);
  const chain = await followChain(table.name, { start: start.chain, liveFiles, commits }, violations);
  checkLiveFiles(snapshot, chain, violations);
  const newFiles = [...snapshot.files]
    .filter(([key]) => start.snapshot?.files.has(key) !== true)
    .map(([, add]) => add);
  const gone = [...(start.snapshot?.files ?? [])]
    .filter(([key]) => !snapshot.files.has(key))
    .map(([, add]) => add);
  const rows = {
    snapshot,
    before: start.chain,
    after: chain,
    newFiles,
    goneFiles: gone,
    goneFrom: start.snapshot,
  };
  const isReadable = await checkRows(deps.lake, rows, violations);
  const incarnations: IncarnationReport[] = [];
  for (const incarnation of incarnationsOf(table.name, chain)) {
    const state = states.find((s) => s.topicId === incarnation.topicId && s.topic === incarnation.topic);
    const { lake, source } = deps;
    const kafka =
      source === undefined || state === undefined || !isReadable
        ? undefined
        : await compareWithKafka({ lake, source }, { state, check: rows }, violations);
    incarnations.push({ ...incarnation, kafka });
  }
  return { chain, incarnations };
}

/** Where the table was verified last; its beginning when its log no longer reaches back so far. */
async function startingPoint({ table, before, snapshot }: TableCheck): Promise<{
  chain: ChainState;
  snapshot: Snapshot | undefined;
}> {
  if (before.version < 0 || before.version > snapshot.version)
    return { chain: EMPTY_CHAIN, snapshot: undefined };
  try {
    return { chain: before, snapshot: await table.snapshot({ version: before.version }) };
  } catch (error) {
    if (!isFault(error, 'LAKE_VERSION_NOT_FOUND') && !isFault(error, 'LAKE_LOG_GAP')) throw error;
    return { chain: EMPTY_CHAIN, snapshot: undefined };
  }
}

function checkLiveFiles(snapshot: Snapshot, chain: ChainState, violations: ViolationSink): void {
  const rows = sum([...snapshot.files.values()].map((add: AddFile) => rowsOf(add) ?? 0));
  const landed = sum([...chain.partitions.values()].map(({ fetched }) => fetched));
  if (rows === landed) return;
  const where = `${snapshot.table} version ${snapshot.version}`;
  violations.add('FILES_COUNT', where, `${landed} records landed, the live files hold ${rows} rows`);
}

function incarnationsOf(table: string, chain: ChainState): Omit<IncarnationReport, 'kafka'>[] {
  const groups = Map.groupBy(chain.partitions.values(), ({ topic, topicId }) => `${topic}@${topicId}`);
  return [...groups.values()].flatMap((partitions) => {
    const [first] = partitions;
    if (first === undefined) return [];
    const { topic, topicId } = first;
    return [{ table, topic, topicId, partitions: partitions.toSorted((a, b) => a.partition - b.partition) }];
  });
}

/** Topics that should land, and those that once did. */
function topicsOf(request: VerifyRequest, progress: ReadonlyMap<string, ChainState>): string[] {
  const landed = [...progress.values()].flatMap(({ partitions }) =>
    [...partitions.values()].map((p) => p.topic),
  );
  return [...new Set([...request.topics.map(({ topic }) => topic), ...landed])];
}

function unlandedTopics(
  states: readonly TopicState[],
  incarnations: readonly IncarnationReport[],
): VerifyReport['unlanded'] {
  return states
    .filter(({ topicId }) => !incarnations.some((incarnation) => incarnation.topicId === topicId))
    .map(({ topic, topicId, partitions }) => {
      const records = sum(partitions.map(({ logStart, logEnd }) => logEnd - logStart));
      return { topic, topicId, records };
    });
}

/** Counts what goes through to the sink of the whole run. */
function countingSink(all: ViolationSink): ViolationSink {
  let count = 0;
  return {
    add: (code, where, what) => {
      count += 1;
      all.add(code, where, what);
    },
    found: all.found,
    get count() {
      return count;
    },
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
