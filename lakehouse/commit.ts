import { randomUUID } from 'node:crypto';
import { fault } from '../infra/core/errorCatalog.ts';
import { jitteredBackoff } from '../infra/core/retry.ts';
import {
  type Commit,
  type CommitInfo,
  fileKey,
  type RemoveFile,
  removeOf,
  serializeCommit,
} from './actions.ts';
import {
  type ConflictReason,
  findConflict,
  hasUnexpectedTxn,
  isBlindAppend,
  type Transaction,
} from './conflict.ts';
import type { Lake } from './lake.ts';
import { commitKey } from './logPath.ts';
import { readTail, type TablePlace } from './logReader.ts';
import { checkWritable, type Snapshot } from './snapshot.ts';

export type CommitResult =
  | { readonly kind: 'committed'; readonly version: number }
  | { readonly kind: 'conflict'; readonly reason: ConflictReason; readonly winner: number };

/** The result, and the commits that are known to follow the base by it. */
export interface CommitOutcome {
  readonly result: CommitResult;
  readonly commits: readonly Commit[];
}

const COMMIT_BUDGET_MS = 60_000;
/** Losing the race a few times is normal and costs one read; only then waiting helps. */
const LOSSES_BEFORE_WAITING = 3;
const ENGINE = 'tidemark/0.1.0';

/**
 * Commits on the version after the base, or, where others were faster and do not conflict, after
 * them. Exactly once: a put whose answer was lost is recognised by its `txnId`. A conflict is a value:
 * the caller reads the table again and decides again.
 * @throws LAKE_COMMIT_TIMEOUT when the outcome cannot be known or reached in time (the commit may
 * still appear), LAKE_PROTOCOL_UNSUPPORTED, LAKE_FILE_NOT_LIVE
 */
export async function commitTransaction(
  lake: Lake,
  place: TablePlace,
  tx: Transaction,
): Promise<CommitOutcome> {
  checkWritable(tx.base);
  if (hasUnexpectedTxn(tx)) return conflict('txn', tx.base.version, []);
  const txnId = randomUUID();
  const deadlineMs = lake.clock.nowMs() + COMMIT_BUDGET_MS;
  const winners: Commit[] = [];
  for (let attempt = 0; ; attempt += 1) {
    const version = tx.base.version + winners.length + 1;
    const ours = composeCommit(lake, tx, { txnId, version, winners });
    const put = await putCommit(lake, place, ours);
    if (put === 'created') return committed(ours, winners);
    // Lost, or ours with a lost answer: the log itself says which. A crash before this read is the
    // same case, seen by the next process through the txns of the commit.
    const tail = await readTail(lake, place, version - 1);
    if (tail[0]?.commitInfo?.txnId === txnId) return committed(ours, [...winners, ...tail.slice(1)]);
    for (const winner of tail) {
      const reason = findConflict(tx, winner);
      if (reason !== undefined) return conflict(reason, winner.version, [...winners, ...tail]);
    }
    winners.push(...tail);
    await waitForTurn(lake, place, { attempt, deadlineMs, put });
  }
}

// === Helpers ===

function committed(ours: Commit, others: readonly Commit[]): CommitOutcome {
  const commits = [...others, ours].sort((a, b) => a.version - b.version);
  return { result: { kind: 'committed', version: ours.version }, commits };
}

function conflict(reason: ConflictReason, winner: number, commits: readonly Commit[]): CommitOutcome {
  return { result: { kind: 'conflict', reason, winner }, commits };
}

async function putCommit(lake: Lake, place: TablePlace, commit: Commit) {
  const body = serializeCommit(commit);
  lake.crashPoint('before-commit-put');
  // COMMIT POINT: before it the files are orphans and the txns stand; after it all of it is true.
  const put = await lake.store.putIfAbsent(commitKey(place.path, commit.version), body);
  lake.crashPoint('after-commit-put');
  return put;
}

async function waitForTurn(
  lake: Lake,
  place: TablePlace,
  state: { readonly attempt: number; readonly deadlineMs: number; readonly put: string },
): Promise<void> {
  const waitMs =
    state.put === 'exists' && state.attempt < LOSSES_BEFORE_WAITING
      ? 0
      : jitteredBackoff(Math.min(state.attempt, 5));
  if (lake.clock.nowMs() + waitMs > state.deadlineMs) {
    throw fault('LAKE_COMMIT_TIMEOUT', { table: place.table, attempts: state.attempt + 1 });
  }
  if (waitMs > 0) await lake.clock.sleep(waitMs);
}

function composeCommit(
  lake: Lake,
  tx: Transaction,
  place: { readonly txnId: string; readonly version: number; readonly winners: readonly Commit[] },
): Commit {
  const nowMs = lake.clock.nowMs();
  const previousMs = place.winners.reduce(
    (ms, winner) => Math.max(winner.commitInfo?.timestamp ?? 0, ms + 1),
    tx.base.timestampMs,
  );
  return {
    version: place.version,
    commitInfo: commitInfoOf(tx, place.txnId, Math.max(nowMs, previousMs + 1)),
    ...(tx.metaData === undefined ? {} : { metaData: tx.metaData }),
    txns: (tx.txns ?? []).map(({ appId, version }) => ({ appId, version, lastUpdated: nowMs })),
    adds: (tx.adds ?? []).map((add) => ({ ...add, dataChange: tx.dataChange ?? true })),
    removes: removesOf(tx, nowMs),
    domainMetadata: [],
  };
}

function commitInfoOf(tx: Transaction, txnId: string, timestamp: number): CommitInfo {
  return {
    ...tx.info,
    timestamp,
    operation: tx.operation,
    operationParameters: { ...tx.operationParameters },
    readVersion: tx.base.version,
    isolationLevel: 'Serializable',
    isBlindAppend: isBlindAppend(tx) && tx.metaData === undefined,
    operationMetrics: { ...tx.operationMetrics },
    engineInfo: ENGINE,
    txnId,
  };
}

function removesOf(tx: Transaction, deletedMs: number): RemoveFile[] {
  return (tx.removes ?? []).map(({ path }) => {
    const add = liveFile(tx.base, path);
    return removeOf(add, { deletedMs, dataChange: tx.dataChange ?? true });
  });
}

function liveFile(base: Snapshot, path: string) {
  const add = base.files.get(fileKey(path));
  if (add === undefined)
    throw fault('LAKE_FILE_NOT_LIVE', { table: base.table, path, version: base.version });
  return add;
}
