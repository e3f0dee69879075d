import { fault } from '../infra/core/errorCatalog.ts';
import { type Commit, parseCommit } from './actions.ts';
import { readCheckpoint } from './checkpoint.ts';
import type { Lake } from './lake.ts';
import { commitKey, lastCheckpointKey, logPrefix, parseLogFile } from './logPath.ts';
import { replay, type Snapshot } from './snapshot.ts';

export interface TablePlace {
  readonly table: string;
  readonly path: string;
}

/** One listing of a log: commits and complete checkpoints that it still holds. */
interface LogListing {
  readonly commits: readonly number[];
  readonly checkpoints: readonly {
    readonly version: number;
    readonly keys: readonly string[];
    modifiedMs: number;
  }[];
}

/** The commit `version`, or undefined when the log has none (yet, or any more). */
export async function readCommit(
  lake: Lake,
  place: TablePlace,
  version: number,
): Promise<Commit | undefined> {
  const body = await lake.store.read(commitKey(place.path, version));
  return body === undefined ? undefined : parseCommit(version, body);
}

/** All commits after `version` that are there now, oldest first. */
export async function readTail(lake: Lake, place: TablePlace, version: number): Promise<Commit[]> {
  const tail: Commit[] = [];
  for (let next = version + 1; ; next += 1) {
    const commit = await readCommit(lake, place, next);
    if (commit === undefined) return tail;
    tail.push(commit);
  }
}

/**
 * The snapshot at `version` (the newest when undefined) from the newest complete checkpoint not
 * after it and the commits that follow; undefined when there is no table.
 * @throws LAKE_LOG_GAP, LAKE_VERSION_NOT_FOUND, LAKE_LOG_CORRUPT, LAKE_PROTOCOL_UNSUPPORTED
 */
export async function loadSnapshot(
  lake: Lake,
  place: TablePlace,
  version?: number,
): Promise<Snapshot | undefined> {
  const listing = await listLog(lake, place, version);
  const target = version ?? newestVersion(listing);
  if (target === undefined) return undefined;
  const checkpoint = listing.checkpoints.findLast((c) => c.version <= target);
  const wanted = contiguousCommits(place, listing, { after: checkpoint?.version ?? -1, target });
  if (checkpoint === undefined) {
    const commits = await readCommits(lake, place, wanted);
    return replay(place, undefined, commits);
  }
  const state = await readCheckpoint(lake, checkpoint.version, checkpoint.keys);
  const tail = await readCommits(lake, place, wanted);
  const timestamp = tail.length > 0 ? 0 : await checkpointTime(lake, place, checkpoint);
  return replay(place, undefined, [{ ...state, commitInfo: { timestamp } }, ...tail]);
}

/** Versions whose commits the log still holds, ascending. */
export async function listCommits(lake: Lake, place: TablePlace): Promise<readonly number[]> {
  return (await listLog(lake, place, 0)).commits;
}

// === Helpers ===

/** Lists from the last checkpoint on; from the beginning when the target lies before it. */
async function listLog(lake: Lake, place: TablePlace, target: number | undefined): Promise<LogListing> {
  const hint = await readLastCheckpoint(lake, place);
  if (hint !== undefined && (target === undefined || target >= hint)) {
    const listing = await listFrom(lake, place, hint);
    if (listing.checkpoints.length > 0) return listing;
  }
  return listFrom(lake, place, undefined);
}

async function listFrom(lake: Lake, place: TablePlace, version: number | undefined): Promise<LogListing> {
  const prefix = logPrefix(place.path);
  const startAfter =
    version === undefined ? undefined : commitKey(place.path, version).slice(0, -'.json'.length);
  const commits: number[] = [];
  const parts = new Map<number, { keys: string[]; parts: number; modifiedMs: number }>();
  for await (const { key, modifiedMs } of lake.store.list(prefix, startAfter)) {
    const file = parseLogFile(key.slice(prefix.length));
    if (file?.kind === 'commit') commits.push(file.version);
    if (file?.kind !== 'checkpoint') continue;
    const known = parts.get(file.version);
    if (known === undefined || file.parts !== known.parts) {
      parts.set(file.version, { keys: [key], parts: file.parts, modifiedMs });
    } else known.keys.push(key);
  }
  const checkpoints = [...parts]
    .filter(([, part]) => part.keys.length === part.parts)
    .map(([v, part]) => ({ version: v, keys: part.keys, modifiedMs: part.modifiedMs }));
  return { commits, checkpoints };
}

/** A hint: missing, torn or stale is all the same to a reader. */
async function readLastCheckpoint(lake: Lake, place: TablePlace): Promise<number | undefined> {
  const body = await lake.store.read(lastCheckpointKey(place.path));
  const version = body && /"version"\s*:\s*(\d+)/.exec(new TextDecoder().decode(body))?.[1];
  return version === undefined ? undefined : Number(version);
}

function newestVersion(listing: LogListing): number | undefined {
  const commit = listing.commits.at(-1);
  const checkpoint = listing.checkpoints.at(-1)?.version;
  if (commit === undefined) return checkpoint;
  return checkpoint === undefined ? commit : Math.max(commit, checkpoint);
}

/** A checkpoint does not know when its version was committed; the commit, while it is there, does. */
async function checkpointTime(
  lake: Lake,
  place: TablePlace,
  checkpoint: { readonly version: number; readonly modifiedMs: number },
): Promise<number> {
  const commit = await readCommit(lake, place, checkpoint.version);
  return commit?.commitInfo?.timestamp ?? checkpoint.modifiedMs;
}

function contiguousCommits(
  place: TablePlace,
  listing: LogListing,
  range: { readonly after: number; readonly target: number },
): number[] {
  const present = new Set(listing.commits);
  const newest = newestVersion(listing) ?? -1;
  if (range.target > newest) {
    throw fault('LAKE_VERSION_NOT_FOUND', { table: place.table, version: range.target, newest });
  }
  const wanted: number[] = [];
  for (let version = range.after + 1; version <= range.target; version += 1) {
    if (!present.has(version)) throw fault('LAKE_LOG_GAP', { table: place.table, version });
    wanted.push(version);
  }
  return wanted;
}

async function readCommits(lake: Lake, place: TablePlace, versions: readonly number[]): Promise<Commit[]> {
  const commits: Commit[] = [];
  for (const version of versions) {
    const commit = await readCommit(lake, place, version);
    if (commit === undefined) throw fault('LAKE_LOG_GAP', { table: place.table, version });
    commits.push(commit);
  }
  return commits;
}
