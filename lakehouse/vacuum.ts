import { fault } from '../infra/core/errorCatalog.ts';
import { fileKey } from './actions.ts';
import { TOMBSTONE_RETENTION_MS } from './checkpoint.ts';
import type { Lake } from './lake.ts';
import { checkWritable, type Snapshot } from './snapshot.ts';
import type { LakeTable } from './table.ts';

export interface VacuumOptions {
  /** Files that no kept version needs are deleted when older than this. Default and minimum 7 days. */
  readonly retentionMs?: number;
  /** Versions that must stay readable: those of kept and pinned releases. */
  readonly keepVersions?: readonly number[];
  /** Allows a shorter retention: only when no other reader or writer is at work. */
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

export interface VacuumResult {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Deletes data files that neither the newest snapshot, nor a kept version, nor a young tombstone
 * names. Young files stay even when nothing names them: a writer may be about to commit them.
 * @throws LAKE_VACUUM_RETENTION
 */
export async function vacuumTable(
  lake: Lake,
  table: LakeTable,
  options: VacuumOptions = {},
): Promise<VacuumResult> {
  const retentionMs = options.retentionMs ?? TOMBSTONE_RETENTION_MS;
  if (retentionMs < TOMBSTONE_RETENTION_MS && options.force !== true) {
    throw fault('LAKE_VACUUM_RETENTION', { hours: retentionMs / 3_600_000 });
  }
  const expiredBeforeMs = lake.clock.nowMs() - retentionMs;
  const newest = await table.snapshot();
  checkWritable(newest);
  const needed = neededFiles(newest, expiredBeforeMs);
  for (const version of options.keepVersions ?? []) {
    for (const key of (await table.snapshot({ version })).files.keys()) needed.add(key);
  }
  let [files, bytes] = [0, 0];
  const prefix = `${newest.path}/`;
  for await (const { key, size, modifiedMs } of lake.store.list(prefix)) {
    const name = key.slice(prefix.length);
    if (isHidden(name) || needed.has(name) || modifiedMs >= expiredBeforeMs) continue;
    if (options.dryRun !== true) await lake.store.remove(key);
    files += 1;
    bytes += size;
  }
  return { files, bytes };
}

// === Helpers ===

function neededFiles(snapshot: Snapshot, expiredBeforeMs: number): Set<string> {
  const young = [...snapshot.tombstones.values()].filter(
    (remove) => (remove.deletionTimestamp ?? 0) >= expiredBeforeMs,
  );
  return new Set([...snapshot.files.keys(), ...young.map((remove) => fileKey(remove.path))]);
}

/** Names that start with `_` or `.` belong to the log or to somebody else. */
function isHidden(name: string): boolean {
  return name.split('/').some((part) => /^[_.]/.test(part) && !/^_[^=]+=/.test(part));
}
