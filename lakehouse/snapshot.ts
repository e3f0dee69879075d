import { fault } from '../infra/core/errorCatalog.ts';
import {
  type AddFile,
  type Commit,
  type DomainMetadata,
  fileKey,
  type MetaData,
  type Protocol,
  type RemoveFile,
  type Txn,
} from './actions.ts';
import { type DeltaField, parseSchema } from './schema.ts';

/** A table at one version: immutable, independent of what is committed later. */
export interface Snapshot {
  /** Name of the table, for messages. */
  readonly table: string;
  /** Directory of the table in the store. */
  readonly path: string;
  readonly version: number;
  /** Time of the commit by its writer, strictly increasing from version to version. */
  readonly timestampMs: number;
  readonly metadata: MetaData;
  readonly protocol: Protocol;
  readonly schema: readonly DeltaField[];
  readonly partitionColumns: readonly string[];
  /** Live files by decoded path. */
  readonly files: ReadonlyMap<string, AddFile>;
  /** Files removed by this version, until they expire. */
  readonly tombstones: ReadonlyMap<string, RemoveFile>;
  /** Progress by appId. */
  readonly txns: ReadonlyMap<string, number>;
  readonly txnActions: ReadonlyMap<string, Txn>;
  readonly domainMetadata: ReadonlyMap<string, DomainMetadata>;
}

const READABLE_FEATURES = new Set(['timestampNtz', 'vacuumProtocolCheck']);
const WRITABLE_FEATURES = new Set(['appendOnly', 'invariants', 'timestampNtz', 'vacuumProtocolCheck']);

/**
 * The snapshot after `commits` (contiguous, oldest first) on top of `base`, which is undefined when
 * the first commit is version 0 or stands for a checkpoint. Newest wins. Pure.
 * @throws LAKE_LOG_CORRUPT, LAKE_PROTOCOL_UNSUPPORTED
 */
export function replay(
  place: { readonly table: string; readonly path: string },
  base: Snapshot | undefined,
  commits: readonly Commit[],
): Snapshot {
  const last = commits.at(-1);
  if (last === undefined) {
    if (base === undefined) throw fault('LAKE_LOG_CORRUPT', { version: 0, detail: 'no commit' });
    return base;
  }
  const state = {
    files: new Map(base?.files),
    tombstones: new Map(base?.tombstones),
    txnActions: new Map(base?.txnActions),
    domainMetadata: new Map(base?.domainMetadata),
  };
  for (const commit of commits) applyCommit(state, commit);
  const protocol = commits.findLast((c) => c.protocol)?.protocol ?? base?.protocol;
  const metadata = commits.findLast((c) => c.metaData)?.metaData ?? base?.metadata;
  if (protocol === undefined || metadata === undefined) {
    const detail = `no ${protocol === undefined ? 'protocol' : 'metaData'} action up to this version`;
    throw fault('LAKE_LOG_CORRUPT', { version: last.version, detail });
  }
  checkReadable(place.table, protocol, metadata);
  return {
    ...place,
    ...state,
    version: last.version,
    timestampMs: commits.reduce((ms, c) => nextTimestampMs(ms, c), base?.timestampMs ?? 0),
    metadata,
    protocol,
    schema: metadata === base?.metadata ? base.schema : parseSchema(metadata.schemaString),
    partitionColumns: metadata.partitionColumns,
    txns: new Map([...state.txnActions.values()].map((txn) => [txn.appId, txn.version])),
  };
}

/** @throws LAKE_PROTOCOL_UNSUPPORTED when we could not write this table without breaking a promise */
export function checkWritable(snapshot: Snapshot): void {
  const { minWriterVersion, writerFeatures } = snapshot.protocol;
  const unknown = (writerFeatures ?? []).filter((name) => !WRITABLE_FEATURES.has(name));
  const isKnown = minWriterVersion <= 2 || (minWriterVersion === 7 && unknown.length === 0);
  const hasInvariants = snapshot.schema.some((f) => 'delta.invariants' in f.metadata);
  if (isKnown && !hasInvariants) return;
  const needs = hasInvariants ? 'column invariants' : `writer ${minWriterVersion} ${unknown.join(' ')}`;
  throw fault('LAKE_PROTOCOL_UNSUPPORTED', { table: snapshot.table, verb: 'written', needs });
}

// === Helpers ===

interface State {
  files: Map<string, AddFile>;
  tombstones: Map<string, RemoveFile>;
  txnActions: Map<string, Txn>;
  domainMetadata: Map<string, DomainMetadata>;
}

function applyCommit(state: State, commit: Commit): void {
  for (const remove of commit.removes) {
    const key = fileKey(remove.path);
    state.files.delete(key);
    state.tombstones.set(key, remove);
  }
  for (const add of commit.adds) {
    const key = fileKey(add.path);
    state.tombstones.delete(key);
    state.files.set(key, add);
  }
  for (const txn of commit.txns) state.txnActions.set(txn.appId, txn);
  for (const domain of commit.domainMetadata) state.domainMetadata.set(domain.domain, domain);
}

/** A writer with a slow clock, or none, still gets a later time than its predecessor. */
function nextTimestampMs(previousMs: number, commit: Commit): number {
  return Math.max(commit.commitInfo?.timestamp ?? 0, previousMs + 1);
}

function checkReadable(table: string, protocol: Protocol, metadata: MetaData): void {
  const { minReaderVersion, readerFeatures } = protocol;
  const unknown = (readerFeatures ?? []).filter((name) => !READABLE_FEATURES.has(name));
  const mapping = metadata.configuration?.['delta.columnMapping.mode'] ?? 'none';
  const isMapped = minReaderVersion === 2 && mapping !== 'none';
  if (minReaderVersion >= 1 && minReaderVersion <= 3 && unknown.length === 0 && !isMapped) return;
  const needs = `reader ${minReaderVersion} ${isMapped ? 'columnMapping' : unknown.join(' ')}`.trim();
  throw fault('LAKE_PROTOCOL_UNSUPPORTED', { table, verb: 'read', needs });
}
