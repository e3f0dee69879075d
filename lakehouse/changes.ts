import type { AddFile, RemoveFile } from './actions.ts';
import type { LakeTable } from './table.ts';

/** What an incremental reader of a table gets: files whose rows came or went between two versions. */
export interface TableChanges {
  /** Files that brought rows, oldest first, whether or not they are still live. */
  readonly adds: readonly AddFile[];
  /** Files whose rows went; an append-only reader must recompute or refuse when there are any. */
  readonly removes: readonly RemoveFile[];
  /** Whether the schema or the configuration was set anew. */
  readonly isRedefined: boolean;
}

/**
 * The changes of the versions (from, to]. Files that only re-arrange rows (compaction) are left out:
 * their rows came before. @throws LAKE_LOG_TRUNCATED when a version is no longer in the log
 */
export async function readChanges(table: LakeTable, from: number, to: number): Promise<TableChanges> {
  const adds: AddFile[] = [];
  const removes: RemoveFile[] = [];
  let isRedefined = false;
  for await (const commit of table.commits(from, to)) {
    adds.push(...commit.adds.filter((add) => add.dataChange));
    removes.push(...commit.removes.filter((remove) => remove.dataChange));
    isRedefined ||= commit.metaData !== undefined;
  }
  return { adds, removes, isRedefined };
}
