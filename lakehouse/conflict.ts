import { type AddFile, type Commit, fileKey, type MetaData, type PartitionValues } from './actions.ts';
import { type DeltaField, duckdbType, parseSchema } from './schema.ts';
import type { Snapshot } from './snapshot.ts';

export type ConflictReason = 'txn' | 'metadata' | 'protocol' | 'read' | 'delete';

/** Progress that a commit moves: `expected` must still stand (undefined: absent). */
export interface TxnUpdate {
  readonly appId: string;
  readonly expected: number | undefined;
  /** May be lower than `expected`: a rewind. */
  readonly version: number;
}

/** What a commit wants to change, on what it has read. */
export interface Transaction {
  readonly operation: string;
  readonly operationParameters?: Readonly<Record<string, string>>;
  readonly operationMetrics?: Readonly<Record<string, string>>;
  /** Fields of `commitInfo` of the caller's own: JSON values. */
  readonly info?: Readonly<Record<string, unknown>>;
  /** The snapshot that was read; the first version tried is the next one. */
  readonly base: Snapshot;
  readonly adds?: readonly AddFile[];
  /** Live files of `base` that the commit removes, by path. */
  readonly removes?: readonly { readonly path: string }[];
  readonly txns?: readonly TxnUpdate[];
  /** What the new content depends on: `nothing` (a blind append), the whole table, or partitions. */
  readonly reads: 'nothing' | 'table' | readonly PartitionValues[];
  /** The new metadata, when the schema or the configuration changes. */
  readonly metaData?: MetaData;
  /** False when rows are only re-arranged. Default true. */
  readonly dataChange?: boolean;
}

/**
 * Why a commit that somebody else made since `tx.base` forbids ours; undefined when ours may follow
 * it. Winners that only re-arrange rows change nothing that we read. Pure; no I/O.
 */
export function findConflict(tx: Transaction, winner: Commit): ConflictReason | undefined {
  if (winner.protocol !== undefined) return 'protocol';
  if (winner.metaData !== undefined && !survivesMetadata(tx, winner.metaData)) return 'metadata';
  const ours = new Set(tx.txns?.map((txn) => txn.appId));
  if (winner.txns.some((txn) => ours.has(txn.appId))) return 'txn';
  const removed = new Set(tx.removes?.map((remove) => fileKey(remove.path)));
  if (winner.removes.some((remove) => removed.has(fileKey(remove.path)))) return 'delete';
  const touched = [...winner.adds, ...winner.removes].filter((file) => file.dataChange);
  return touched.some((file) => isRead(tx, file.partitionValues)) ? 'read' : undefined;
}

/** Whether a txn of `tx` does not stand in its own base as expected. Pure. */
export function hasUnexpectedTxn(tx: Transaction): boolean {
  return (tx.txns ?? []).some((txn) => tx.base.txns.get(txn.appId) !== txn.expected);
}

/** Only adds, and nothing was read: it commutes with every other append. Pure. */
export function isBlindAppend(tx: Transaction): boolean {
  return tx.reads === 'nothing' && (tx.removes ?? []).length === 0;
}

// === Helpers ===

/** A blind append survives a table that only became wider: its files lack columns, which read as null. */
function survivesMetadata(tx: Transaction, theirs: MetaData): boolean {
  if (tx.metaData !== undefined || !isBlindAppend(tx)) return false;
  const samePartitions = theirs.partitionColumns.join('\n') === tx.base.partitionColumns.join('\n');
  return samePartitions && isWider(tx.base.schema, parseSchema(theirs.schemaString));
}

function isWider(base: readonly DeltaField[], theirs: readonly DeltaField[]): boolean {
  const after = new Map(theirs.map((f) => [f.name, f]));
  const kept = base.every((f) => {
    const other = after.get(f.name);
    return other !== undefined && duckdbType(other.type) === duckdbType(f.type) && other.nullable;
  });
  return kept && theirs.every((f) => f.nullable);
}

function isRead(tx: Transaction, values: PartitionValues | null | undefined): boolean {
  if (tx.reads === 'nothing' || tx.dataChange === false) return false;
  if (tx.reads === 'table' || !values) return true;
  return tx.reads.some((partition) =>
    Object.entries(partition).every(([name, value]) => (values[name] ?? null) === value),
  );
}
