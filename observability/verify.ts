import { randomUUID } from 'node:crypto';
import { isFault } from '../infra/core/errorCatalog.ts';
import type { TopicState } from '../infra/core/kafka.ts';
import { FILE_ID_PREFIX } from '../ingestion/progress.ts';
import { type AddFile, rowsOf } from '../lakehouse/actions.ts';
import type { Lake } from '../lakehouse/lake.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { type LakeTable, listTables, openTable } from '../lakehouse/table.ts';
import { readStarts } from '../scoring/starts.ts';
import { checkRows, type RowsCheck } from './bronzeRows.ts';
import { checkDecisions, type DecisionsReport } from './decisionCoverage.ts';
import { type ComparedPartition, compareWithKafka, type OffsetSource } from './kafkaEquality.ts';
import { type ChainState, EMPTY_CHAIN, followChain, type LandedPartition } from './landingChain.ts';
import { checkKeys, type KeyedTable } from './modelKeys.ts';
import { checkReleases, type ReleasesChecked } from './releaseClosure.ts';
import {
  DECISIONS_SUBJECT,
  RELEASES_SUBJECT,
  readProgress,
  saveProgress,
  type VerifiedSubject,
  type VerifyProgress,
  verifiedState,
} from './verifyProgress.ts';
import { collectViolations, type Violation, type ViolationSink } from './violations.ts';

/**
 * Proves from the outside that nothing was lost or doubled between Kafka and the released tables.
 *
 * Steps: one snapshot of each bronze table first → the chain of its landing commits, from where it was
 * verified last → the rows of files that are new since then → set equality with what Kafka still has →
 * decisions against records → closure of the releases → uniqueness of the keys of models. What was
 * clean is kept in `ops.verify`, unless Kafka does not have its topic.
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
  /** The bronze table of decisions; none: nothing decides. */
  readonly decisions?: string;
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
  /** Undefined while there is no table of decisions, or a data file is gone. */
  readonly decisions: DecisionsReport | undefined;
  readonly releases: ReleasesChecked;
  readonly keyedTables: readonly string[];
}

/** @throws KAFKA_UNAVAILABLE, and errors of the object store: what could not be read is not proved */
export async function verifyLake(deps: VerifyDeps, request: VerifyRequest): Promise<VerifyReport> {
  const { lake, source, onProgress = () => {} } = deps;
  const progress = request.isFull === true ? new Map<string, ChainState>() : await readProgress(lake);
  const all = collectViolations();
  const tables: VerifiedTable[] = [];
  for (const opened of await openBronze(lake)) {
    const { name } = opened.table;
    onProgress(`${name}: version ${opened.snapshot.version}`);
    tables.push(
      await verifyTable(lake, { ...opened, before: verifiedState(progress, name) }, countingSink(all)),
    );
  }
  const states = (await source?.states(topicsOf(request, tables))) ?? [];
  const incarnations: IncarnationReport[] = [];
  for (const table of tables) incarnations.push(...(await compareTable(deps, table, states)));
  onProgress('decisions');
  const decided = await verifyDecisions(lake, { name: request.decisions, tables, progress }, all);
  onProgress('releases');
  const releaseSink = countingSink(all);
  const releases = await checkReleases(lake, progress.get(RELEASES_SUBJECT)?.version ?? 0, releaseSink);
  onProgress('keys of models');
  const keyedTables = await checkKeys(lake, request.keyedTables, all);
  const run = { id: randomUUID(), verifiedMs: lake.clock.nowMs() };
  if (source !== undefined) {
    const released = { subject: RELEASES_SUBJECT, version: releases.newest ?? 0, chain: EMPTY_CHAIN };
    const compared = tables.filter((table) => isInKafka(table, states));
    const subjects = [...compared.map(subjectOf), { ...released, violations: releaseSink.count }];
    // Only where all else is clean: rows that are put right later want decisions too.
    if (decided !== undefined) subjects.push({ ...decided.subject, violations: all.count });
    await saveProgress(lake, run, subjects);
  }
  return {
    run: run.id,
    isClean: all.count === 0,
    violationCount: all.count,
    violations: all.found,
    incarnations,
    unlanded: unlandedTopics(states, incarnations),
    decisions: decided?.report,
    releases,
    keyedTables,
  };
}

// === Helpers ===

interface OpenedTable {
  readonly table: LakeTable;
  readonly snapshot: Snapshot;
}

/** A table whose chain and rows were checked; what Kafka has comes next. */
interface VerifiedTable extends RowsCheck {
  readonly violations: ViolationSink;
  /** False when a data file is not there. */
  readonly isReadable: boolean;
}

async function openBronze(lake: Lake): Promise<OpenedTable[]> {
  const opened: OpenedTable[] = [];
  for (const name of await listTables(lake)) {
    const table = name.startsWith('bronze.') ? await openTable(lake, name) : undefined;
    if (table !== undefined) opened.push({ table, snapshot: await table.snapshot() });
  }
  return opened;
}

async function verifyTable(
  lake: Lake,
  check: OpenedTable & { readonly before: ChainState },
  violations: ViolationSink,
): Promise<VerifiedTable> {
  const { table, snapshot } = check;
  const start = await startingPoint(check);
  const verifiedFiles = start.snapshot?.files ?? new Map<string, AddFile>();
  const commits = table.commits(start.chain.version, snapshot.version);
  const liveFiles = new Map(verifiedFiles);
  const after = await followChain(table.name, { start: start.chain, liveFiles, commits }, violations);
  checkLiveFiles(snapshot, after, violations);
  const rows: RowsCheck = {
    snapshot,
    before: start.chain,
    after,
    newFiles: filesOnlyIn(snapshot.files, verifiedFiles),
    goneFiles: filesOnlyIn(verifiedFiles, snapshot.files),
    goneFrom: start.snapshot,
  };
  const isReadable = await checkRows(lake, rows, violations);
  return { ...rows, violations, isReadable };
}

async function compareTable(
  { lake, source }: VerifyDeps,
  table: VerifiedTable,
  states: readonly TopicState[],
): Promise<IncarnationReport[]> {
  const reports: IncarnationReport[] = [];
  for (const incarnation of incarnationsOf(table.snapshot.table, table.after)) {
    const state = states.find((s) => s.topicId === incarnation.topicId && s.topic === incarnation.topic);
    const isComparable = source !== undefined && state !== undefined && table.isReadable;
    const kafka = isComparable
      ? await compareWithKafka({ lake, source }, { state, check: table }, table.violations)
      : undefined;
    reports.push({ ...incarnation, kafka });
  }
  return reports;
}

async function verifyDecisions(
  lake: Lake,
  { name, tables, progress }: { name: string | undefined; tables: VerifiedTable[]; progress: VerifyProgress },
  violations: ViolationSink,
): Promise<{ report: DecisionsReport; subject: Omit<VerifiedSubject, 'violations'> } | undefined> {
  const decisions = tables.find(({ snapshot }) => snapshot.table === name);
  if (decisions === undefined || !tables.every(({ isReadable }) => isReadable)) return undefined;
  const last = verifiedState(progress, DECISIONS_SUBJECT);
  const { version } = decisions.snapshot;
  const before = last.version > version ? EMPTY_CHAIN : last;
  const starts = await readStarts(lake.store);
  const { report, state } = await checkDecisions(
    lake,
    { decisions, sources: tables, starts, before },
    violations,
  );
  return { report, subject: { subject: DECISIONS_SUBJECT, version, chain: state } };
}

function subjectOf({ snapshot, after, violations }: VerifiedTable): VerifiedSubject {
  return { subject: snapshot.table, version: after.version, violations: violations.count, chain: after };
}

/** Whether Kafka has an incarnation of each live topic of the table; else it may be the wrong cluster. */
function isInKafka({ after }: VerifiedTable, states: readonly TopicState[]): boolean {
  const live = [...after.partitions.values()].filter(({ topicId }) => !topicId.startsWith(FILE_ID_PREFIX));
  const known = live.filter((p) => states.some((s) => s.topic === p.topic && s.topicId === p.topicId));
  const topics = new Set(known.map(({ topic }) => topic));
  return live.every(({ topic }) => topics.has(topic));
}

function filesOnlyIn(files: ReadonlyMap<string, AddFile>, others: ReadonlyMap<string, AddFile>): AddFile[] {
  return [...files].filter(([key]) => !others.has(key)).map(([, add]) => add);
}

/** Where the table was verified last; its beginning when its log no longer reaches back so far. */
async function startingPoint({
  table,
  before,
  snapshot,
}: OpenedTable & { readonly before: ChainState }): Promise<{
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
function topicsOf(request: VerifyRequest, tables: readonly VerifiedTable[]): string[] {
  const landed = tables.flatMap(({ after }) => [...after.partitions.values()].map(({ topic }) => topic));
  return [...new Set([...request.topics.map(({ topic }) => topic), ...landed])].filter(isTopicName);
}

/** Other names came from a damaged log: Kafka is not asked for them. */
function isTopicName(name: string): boolean {
  return /^[\w.-]{1,249}$/.test(name);
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
