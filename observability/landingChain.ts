import { z } from 'zod';
import { type AddFile, type Commit, fileKey, rowsOf, type Txn } from '../lakehouse/actions.ts';
import type { ViolationSink } from './violations.ts';

/**
 * The chain of landing commits of one bronze table: each says which offsets it fetched, how many
 * records that were and how many of them were bad. Folding it proves, from the log alone, that what
 * was fetched was landed, without a gap and no more.
 *
 * State: per partition of a topic incarnation the offsets [first, next) and the records in them; and
 * the rows of each live file.
 */
export interface LandedPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  /** The first offset that the chain covers. */
  readonly first: number;
  /** The offset that lands next. */
  readonly next: number;
  readonly fetched: number;
  readonly bad: number;
  /** Offsets that Kafka removed before they landed, and that somebody adopted as lost. */
  readonly lost: number;
}

export interface ChainState {
  /** The last version that was folded in; -1 before the first. */
  readonly version: number;
  /** By `partitionKey`. */
  readonly partitions: ReadonlyMap<string, LandedPartition>;
}

export const EMPTY_CHAIN: ChainState = { version: -1, partitions: new Map() };

const landingSchema = z.array(
  z.object({
    topic: z.string(),
    topicId: z.string(),
    partition: z.number().int(),
    from: z.number().int(),
    to: z.number().int(),
    fetched: z.number().int(),
    good: z.number().int(),
    bad: z.number().int(),
    lost: z.number().int().default(0),
  }),
);

type LandedRange = z.infer<typeof landingSchema>[number];

export function partitionKey(place: { topic: string; topicId: string; partition: number }): string {
  return `${place.topic}@${place.topicId}:${place.partition}`;
}

/**
 * Folds commits, oldest first. `liveFiles` are the files that were live at `start.version`, by decoded
 * path; the map is brought forward in place.
 */
export async function followChain(
  table: string,
  chain: { start: ChainState; liveFiles: Map<string, AddFile>; commits: AsyncIterable<Commit> },
  violations: ViolationSink,
): Promise<ChainState> {
  let { version } = chain.start;
  const partitions = new Map(chain.start.partitions);
  for await (const commit of chain.commits) {
    const where = `${table} version ${commit.version}`;
    const report: Report = (code, what) => violations.add(code, where, what);
    checkFiles(commit, chain.liveFiles, report);
    const ranges = rangesOf(commit, report);
    checkCounts(commit, ranges, report);
    for (const range of ranges) extend(partitions, range, report);
    checkProgress(commit, { partitions, ranges }, report);
    version = commit.version;
  }
  return { version, partitions };
}

// === Helpers ===

type Report = (code: Parameters<ViolationSink['add']>[0], what: string) => void;

/** Files come and go as a table that is only appended to and compacted allows. */
function checkFiles(commit: Commit, liveFiles: Map<string, AddFile>, report: Report): void {
  let removedRows = 0;
  for (const remove of commit.removes) {
    const key = fileKey(remove.path);
    const live = liveFiles.get(key);
    if (remove.dataChange) report('CHAIN_ROWS_REMOVED', `${rowsText(live)} of ${key}`);
    else removedRows += (live && rowsOf(live)) ?? 0;
    liveFiles.delete(key);
  }
  let rearrangedRows = 0;
  for (const add of commit.adds) {
    const key = fileKey(add.path);
    if (liveFiles.has(key)) report('CHAIN_UNEXPLAINED_FILES', `${key} is added while it is live`);
    if (!add.dataChange) rearrangedRows += rowsOf(add) ?? 0;
    liveFiles.set(key, add);
  }
  if (rearrangedRows !== removedRows) {
    report('CHAIN_REARRANGED', `${removedRows} rows went, ${rearrangedRows} came`);
  }
}

function rangesOf(commit: Commit, report: Report): LandedRange[] {
  const parsed = landingSchema.safeParse(commit.commitInfo?.['landing'] ?? []);
  if (parsed.success) return parsed.data;
  report('CHAIN_UNREADABLE', `the landing ranges of the commit: ${parsed.error.message}`);
  return [];
}

function checkCounts(commit: Commit, ranges: readonly LandedRange[], report: Report): void {
  const fetched = ranges.reduce((sum, range) => sum + range.fetched, 0);
  const added = commit.adds.filter(({ dataChange }) => dataChange);
  const rows = added.reduce((sum, add) => sum + (rowsOf(add) ?? 0), 0);
  if (ranges.length === 0 && added.length > 0) {
    report('CHAIN_UNEXPLAINED_FILES', `${added.length} files with ${rows} rows, and no landing ranges`);
  } else if (rows !== fetched) {
    report('CHAIN_COUNTS', `${fetched} records fetched, ${rows} rows added`);
  }
  for (const { good, bad, fetched: records, from, to, ...place } of ranges) {
    if (good + bad === records && records <= to - from && from <= to) continue;
    const key = partitionKey(place);
    report('CHAIN_COUNTS', `${key}: [${from}, ${to}) has ${records} fetched, ${good} good, ${bad} bad`);
  }
}

function extend(partitions: Map<string, LandedPartition>, range: LandedRange, report: Report): void {
  const key = partitionKey(range);
  const known = partitions.get(key);
  if (known !== undefined && known.next !== range.from) {
    report('CHAIN_BROKEN', `${key}: expected to go on at ${known.next}, landed from ${range.from}`);
  }
  const { topic, topicId, partition, from, to, fetched, bad, lost } = range;
  partitions.set(key, {
    topic,
    topicId,
    partition,
    first: known?.first ?? from,
    next: to,
    fetched: (known?.fetched ?? 0) + fetched,
    bad: (known?.bad ?? 0) + bad,
    lost: (known?.lost ?? 0) + lost,
  });
}

/** Progress stands where the ranges of the chain end: with rows it moves, without it stays. */
function checkProgress(
  commit: Commit,
  { partitions, ranges }: { partitions: Map<string, LandedPartition>; ranges: readonly LandedRange[] },
  report: Report,
): void {
  const progress = new Map(commit.txns.flatMap((txn) => progressOf(txn)));
  for (const range of ranges) {
    const key = partitionKey(range);
    if (progress.get(key) !== range.to) {
      report('CHAIN_TXN', `${key}: landed to ${range.to}, progress ${progress.get(key) ?? 'not written'}`);
    }
    progress.delete(key);
  }
  for (const [key, version] of progress) {
    const next = partitions.get(key)?.next;
    if (next === version) continue;
    if (next === undefined) adoptStart(partitions, key, version);
    else report('CHAIN_TXN', `${key}: landed to ${next}, progress set to ${version}`);
  }
}

function progressOf({ appId, version }: Txn): [string, number][] {
  const key = landingProgressKey(appId);
  return key === undefined ? [] : [[key, version]];
}

/** The partition that a progress of landing is about; undefined for other progress. Pure. */
function landingProgressKey(appId: string): string | undefined {
  return /^land:[^:]+:[^:]+:([^@]+@.+:\d+)$/.exec(appId)?.[1];
}

/** A partition that was assigned before it had a record: its chain starts there. */
function adoptStart(partitions: Map<string, LandedPartition>, key: string, version: number): void {
  const match = /^([^@]+)@(.+):(\d+)$/.exec(key);
  if (match === null) return;
  const [, topic = '', topicId = '', partition = ''] = match;
  const place = { topic, topicId, partition: Number(partition) };
  partitions.set(key, { ...place, first: version, next: version, fetched: 0, bad: 0, lost: 0 });
}

function rowsText(file: AddFile | undefined): string {
  return file === undefined ? 'a file that was not live' : `${rowsOf(file) ?? 'unknown'} rows`;
}
