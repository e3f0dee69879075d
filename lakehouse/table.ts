import { randomUUID } from 'node:crypto';
import { fault } from '../infra/core/errorCatalog.ts';
import { jitteredBackoff } from '../infra/core/retry.ts';
import { type AddFile, type Commit, type CommitInfo, type MetaData, serializeCommit } from './actions.ts';
import { writeCheckpoint } from './checkpoint.ts';
import { type CommitResult, commitTransaction } from './commit.ts';
import type { Transaction } from './conflict.ts';
import type { Lake } from './lake.ts';
import { commitKey, logPrefix, tablePath } from './logPath.ts';
import { listCommits, loadSnapshot, readCommit, readTail, type TablePlace } from './logReader.ts';
import { checkColumnNames, type DeltaField, serializeSchema } from './schema.ts';
import { replay, type Snapshot } from './snapshot.ts';
import { type StageRequest, stageFile, stagePartitions } from './stage.ts';

export interface CommitSummary {
  readonly version: number;
  readonly timestampMs: number;
  readonly operation: string;
  readonly addedFiles: number;
  readonly removedFiles: number;
  readonly info: CommitInfo;
}

/** A Delta table of the lake. Holds no lock and no connection; its snapshot cache only saves reads. */
export interface LakeTable {
  /** `layer.name`; its directory is `layer/name`. */
  readonly name: string;
  /** `metaData.id`: the table's identity in appIds, for life. */
  readonly id: string;
  /** The newest snapshot, or the one at a version, or the newest not after a time. @throws LAKE_VERSION_NOT_FOUND */
  snapshot(at?: { readonly version: number } | { readonly timestampMs: number }): Promise<Snapshot>;
  /** The newest commits, newest first. */
  history(limit?: number): Promise<CommitSummary[]>;
  /** The commits in (from, to], oldest first. @throws LAKE_LOG_TRUNCATED when one is not there */
  commits(fromExclusive: number, toInclusive: number): AsyncIterable<Commit>;
  /** Writes a query's rows as a data file of one partition; a commit makes it visible. */
  stage(request: StageRequest): Promise<AddFile[]>;
  /** Writes a query's rows as one data file for each partition that they have. */
  stagePartitions(request: Omit<StageRequest, 'partitionValues'>): Promise<AddFile[]>;
  commit(transaction: Transaction): Promise<CommitResult>;
}

export interface TableSpec {
  readonly name: string;
  readonly fields: readonly DeltaField[];
  readonly partitionColumns: readonly string[];
  readonly configuration?: Readonly<Record<string, string>>;
  readonly description?: string;
}

const CHECKPOINT_INTERVAL = 10;
const CREATE_ATTEMPTS = 6;

/** The table, or undefined when there is none. @throws LAKE_PROTOCOL_UNSUPPORTED, LAKE_LOG_CORRUPT */
export function openTable(lake: Lake, name: string): Promise<LakeTable | undefined> {
  return openTableAt(lake, { table: name, path: tablePath(name) });
}

/** Like `openTable`, for a table in any directory of the store. */
export async function openTableAt(lake: Lake, place: TablePlace): Promise<LakeTable | undefined> {
  const snapshot = await loadSnapshot(lake, place);
  return snapshot === undefined ? undefined : tableOf(lake, place, snapshot);
}

/** Creates the table; when somebody else did, or was faster, opens theirs. @throws LAKE_COLUMN_NAME */
export async function createTable(lake: Lake, spec: TableSpec): Promise<LakeTable> {
  checkColumnNames(spec.fields);
  checkPartitionColumns(spec);
  const existing = await openTable(lake, spec.name);
  if (existing !== undefined) return existing;
  const body = firstCommit(lake, spec);
  for (let attempt = 0; attempt < CREATE_ATTEMPTS; attempt += 1) {
    // COMMIT POINT: version 0 is the table. Whatever the answer, the log says whose it is.
    await lake.store.putIfAbsent(commitKey(tablePath(spec.name), 0), body);
    const table = await openTable(lake, spec.name);
    if (table !== undefined) return table;
    await lake.clock.sleep(jitteredBackoff(attempt));
  }
  throw fault('LAKE_COMMIT_TIMEOUT', { table: spec.name, attempts: CREATE_ATTEMPTS });
}

/** Names of all tables, sorted. Skips from directory to directory, so it costs three listings a table. */
export async function listTables(lake: Lake): Promise<string[]> {
  const names: string[] = [];
  for (let cursor = ''; ; ) {
    const key = await firstKey(lake, '', cursor);
    if (key === undefined) return names;
    const [layer = '', name] = key.split('/');
    if (layer.startsWith('_') || layer.startsWith('.') || name === undefined) {
      cursor = name === undefined ? key : pastDirectory(layer);
      continue;
    }
    if ((await firstKey(lake, logPrefix(`${layer}/${name}`), '')) !== undefined)
      names.push(`${layer}.${name}`);
    cursor = pastDirectory(`${layer}/${name}`);
  }
}

/** Metadata with another schema; the rest stays as it was, as the protocol wants. Pure but for checks. */
export function withSchema(metadata: MetaData, fields: readonly DeltaField[]): MetaData {
  checkColumnNames(fields);
  return { ...metadata, schemaString: serializeSchema(fields) };
}

// === Helpers ===

function tableOf(lake: Lake, place: TablePlace, opened: Snapshot): LakeTable {
  let cached = opened;
  const advance = (commits: readonly Commit[]) => {
    const news = commits.filter((commit) => commit.version > cached.version);
    if (news.length > 0 && news[0]?.version === cached.version + 1) cached = replay(place, cached, news);
  };
  const newest = async () => {
    const from = cached;
    const tail = await readTail(lake, place, from.version);
    advance(tail);
    return cached;
  };
  return {
    name: place.table,
    id: opened.metadata.id,
    snapshot: async (at) => {
      if (at === undefined) return newest();
      const version = 'version' in at ? at.version : await versionAt(lake, place, at.timestampMs);
      if (version === cached.version) return cached;
      const snapshot = await loadSnapshot(lake, place, version);
      if (snapshot === undefined)
        throw fault('LAKE_VERSION_NOT_FOUND', { table: place.table, version, newest: -1 });
      return snapshot;
    },
    history: async (limit = 20) => readHistory(lake, place, { newest: (await newest()).version, limit }),
    commits: (from, to) => readCommits(lake, place, { from, to }),
    stage: (request) => stageFile(lake, cached, request),
    stagePartitions: (request) => stagePartitions(lake, cached, request),
    commit: async (transaction) => {
      const { result, commits } = await commitTransaction(lake, place, transaction);
      advance(commits);
      if (result.kind === 'committed' && result.version % CHECKPOINT_INTERVAL === 0) {
        await checkpointAfter(lake, cached, result.version);
      }
      return result;
    },
  };
}

/** Types whose text is the same for every writer; texts of timestamps are not. */
const PARTITION_TYPE = /^(string|long|integer|short|byte|date|boolean|decimal.*)$/;

function checkPartitionColumns(spec: TableSpec): void {
  for (const name of spec.partitionColumns) {
    const type = spec.fields.find((f) => f.name === name)?.type;
    if (typeof type === 'string' && PARTITION_TYPE.test(type)) continue;
    throw fault('LAKE_PARTITION_COLUMN', { table: spec.name, column: name });
  }
}

function firstCommit(lake: Lake, spec: TableSpec): Uint8Array {
  const nowMs = lake.clock.nowMs();
  return serializeCommit({
    commitInfo: {
      timestamp: nowMs,
      operation: 'CREATE TABLE',
      operationParameters: { partitionBy: JSON.stringify(spec.partitionColumns) },
      isolationLevel: 'Serializable',
      isBlindAppend: true,
      operationMetrics: {},
      engineInfo: 'tidemark/0.1.0',
      txnId: randomUUID(),
    },
    protocol: { minReaderVersion: 1, minWriterVersion: 2 },
    metaData: {
      id: randomUUID(),
      name: spec.name,
      ...(spec.description === undefined ? {} : { description: spec.description }),
      format: { provider: 'parquet', options: {} },
      schemaString: serializeSchema(spec.fields),
      partitionColumns: [...spec.partitionColumns],
      createdTime: nowMs,
      configuration: { ...spec.configuration },
    },
    txns: [],
    adds: [],
    removes: [],
    domainMetadata: [],
  });
}

/** The commit stands whatever happens here; the next interval tries again. */
async function checkpointAfter(lake: Lake, snapshot: Snapshot, version: number): Promise<void> {
  if (snapshot.version < version) return;
  try {
    await writeCheckpoint(lake, snapshot);
  } catch (error) {
    const fields = { table: snapshot.table, version, err: error };
    lake.log.warn(fields, 'checkpoint failed; readers replay more commits until the next one');
  }
}

async function* readCommits(
  lake: Lake,
  place: TablePlace,
  range: { readonly from: number; readonly to: number },
): AsyncGenerator<Commit> {
  for (let version = range.from + 1; version <= range.to; version += 1) {
    const commit = await readCommit(lake, place, version);
    if (commit === undefined) throw fault('LAKE_LOG_TRUNCATED', { table: place.table, version });
    yield commit;
  }
}

async function readHistory(
  lake: Lake,
  place: TablePlace,
  range: { readonly newest: number; readonly limit: number },
): Promise<CommitSummary[]> {
  const summaries: CommitSummary[] = [];
  for (let version = range.newest; version >= 0 && summaries.length < range.limit; version -= 1) {
    const commit = await readCommit(lake, place, version);
    if (commit === undefined) break;
    const info = commit.commitInfo ?? {};
    summaries.push({
      version,
      timestampMs: info.timestamp ?? 0,
      operation: info.operation ?? 'unknown',
      addedFiles: commit.adds.length,
      removedFiles: commit.removes.length,
      info,
    });
  }
  return summaries;
}

/** Commit times rise with versions, so a binary search needs few reads. @throws LAKE_VERSION_NOT_FOUND */
async function versionAt(lake: Lake, place: TablePlace, timestampMs: number): Promise<number> {
  const versions = await listCommits(lake, place);
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const commit = await readCommit(lake, place, versions[middle] ?? 0);
    if ((commit?.commitInfo?.timestamp ?? 0) <= timestampMs) low = middle + 1;
    else high = middle;
  }
  const version = versions[low - 1];
  if (version !== undefined) return version;
  const earliest = versions[0] ?? 0;
  throw fault('LAKE_TIME_NOT_FOUND', {
    table: place.table,
    time: new Date(timestampMs).toISOString(),
    earliest,
  });
}

async function firstKey(lake: Lake, prefix: string, startAfter: string): Promise<string | undefined> {
  for await (const { key } of lake.store.list(prefix, startAfter)) return key;
  return undefined;
}

/** A key after all keys of the directory: `0` follows `/`. */
function pastDirectory(path: string): string {
  return `${path}0`;
}
