import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sqlText } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import { type Commit, collectActions } from './actions.ts';
import type { Lake } from './lake.ts';
import { checkpointKey, lastCheckpointKey } from './logPath.ts';
import type { Snapshot } from './snapshot.ts';

/** Tombstones older than this leave the checkpoint; vacuum may delete their files. */
export const TOMBSTONE_RETENTION_MS = 7 * 86_400_000;

const ACTION_COLUMNS = ['protocol', 'metaData', 'txn', 'add', 'remove', 'domainMetadata'] as const;

/** The protocol's checkpoint schema, as DuckDB types. */
const CHECKPOINT_TYPES = {
  protocol:
    'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], writerFeatures VARCHAR[])',
  metaData:
    'STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options MAP(VARCHAR, VARCHAR)), schemaString VARCHAR, partitionColumns VARCHAR[], configuration MAP(VARCHAR, VARCHAR), createdTime BIGINT)',
  txn: 'STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)',
  add: 'STRUCT(path VARCHAR, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags MAP(VARCHAR, VARCHAR))',
  remove:
    'STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata BOOLEAN, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT)',
  domainMetadata: 'STRUCT(domain VARCHAR, configuration VARCHAR, removed BOOLEAN)',
} as const;

/** The state that a checkpoint (one object, or all its parts) holds, in the form of one commit. */
export async function readCheckpoint(lake: Lake, version: number, keys: readonly string[]): Promise<Commit> {
  const copies = await Promise.all(keys.map((key) => lake.store.openLocal(key)));
  await using session = await lake.duckdb.connect();
  try {
    const source = `read_parquet([${copies.map((copy) => sqlText(copy.path)).join(', ')}])`;
    const present = new Set((await session.rows(`DESCRIBE FROM ${source}`)).map((row) => row['column_name']));
    const lines: unknown[] = [];
    for (const column of ACTION_COLUMNS) {
      if (!present.has(column)) continue;
      const rows = await session.rows(
        `SELECT to_json("${column}")::VARCHAR AS action FROM ${source} WHERE "${column}" IS NOT NULL`,
      );
      for (const row of rows) lines.push({ [column]: JSON.parse(String(row['action'])) });
    }
    return collectActions(version, lines);
  } finally {
    await Promise.all(copies.map((copy) => copy.release()));
  }
}

/**
 * Writes the checkpoint of a committed version and moves `_last_checkpoint` forward. All txns are
 * kept: one that a checkpoint forgot would be landed again.
 */
export async function writeCheckpoint(lake: Lake, snapshot: Snapshot): Promise<void> {
  const actions = checkpointActions(snapshot, lake.clock.nowMs() - TOMBSTONE_RETENTION_MS);
  const base = join(lake.stagingDir, `checkpoint-${randomUUID()}`);
  const sizeInBytes = await writeParquet(lake, base, actions);
  // A crash from here on leaves a checkpoint that readers find by listing, or only a hint behind it.
  await lake.store.putFile(checkpointKey(snapshot.path, snapshot.version), `${base}.parquet`);
  await moveHint(lake, snapshot, { size: actions.length, sizeInBytes });
}

// === Helpers ===

/** One object an action; `dataChange` is false, since a checkpoint changes nothing. Pure. */
function checkpointActions(snapshot: Snapshot, expiredBeforeMs: number): object[] {
  const { protocol, metadata } = snapshot;
  const actions: object[] = [{ protocol }, { metaData: metadata }];
  for (const txn of snapshot.txnActions.values()) actions.push({ txn });
  for (const domain of snapshot.domainMetadata.values()) {
    if (!domain.removed) actions.push({ domainMetadata: domain });
  }
  for (const add of snapshot.files.values()) actions.push({ add: { ...add, dataChange: false } });
  for (const remove of snapshot.tombstones.values()) {
    if ((remove.deletionTimestamp ?? 0) < expiredBeforeMs) continue;
    actions.push({ remove: { ...remove, dataChange: false } });
  }
  return actions;
}

async function writeParquet(lake: Lake, base: string, actions: readonly object[]): Promise<number> {
  const jsonPath = `${base}.ndjson`;
  try {
    await writeLines(jsonPath, actions);
    await using session = await lake.duckdb.connect();
    const columns = ACTION_COLUMNS.map((name) => `${name}: ${sqlText(CHECKPOINT_TYPES[name])}`).join(', ');
    const source = `read_json(${sqlText(jsonPath)}, format='newline_delimited', columns={${columns}})`;
    const [written] = await session.rows(
      `COPY (FROM ${source}) TO ${sqlText(`${base}.parquet`)} (FORMAT parquet, COMPRESSION zstd, RETURN_STATS)`,
    );
    // A checkpoint that lacks an action would lose files or progress for ever.
    if (Number(written?.['count']) !== actions.length) {
      throw fault('LAKE_CHECKPOINT_INCOMPLETE', {
        rows: String(written?.['count']),
        actions: actions.length,
      });
    }
    return Number(written?.['file_size_bytes']);
  } finally {
    await rm(jsonPath, { force: true });
  }
}

async function writeLines(path: string, actions: readonly object[]): Promise<void> {
  await using file = await open(path, 'w');
  const linesAtOnce = 1_000;
  for (let i = 0; i < actions.length; i += linesAtOnce) {
    const lines = actions.slice(i, i + linesAtOnce).map((action) => `${JSON.stringify(action)}\n`);
    // Not `write`, which may take a part only.
    await file.appendFile(lines.join(''));
  }
}

/** Only forward: a slow writer must not take readers back to an older checkpoint. */
async function moveHint(
  lake: Lake,
  snapshot: Snapshot,
  size: { readonly size: number; readonly sizeInBytes: number },
): Promise<void> {
  const key = lastCheckpointKey(snapshot.path);
  const current = await lake.store.read(key);
  const known = current && /"version"\s*:\s*(\d+)/.exec(new TextDecoder().decode(current))?.[1];
  if (known !== undefined && Number(known) >= snapshot.version) return;
  const hint = { version: snapshot.version, ...size, numOfAddFiles: snapshot.files.size };
  await lake.store.put(key, new TextEncoder().encode(JSON.stringify(hint)));
}
