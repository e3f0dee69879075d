import { isFault } from '../infra/core/errorCatalog.ts';
import { type AddFile, fileKey, type RemoveFile } from '../lakehouse/actions.ts';
import type { LakeTable } from '../lakehouse/table.ts';
import type { Gain } from './plan.ts';

/** The data files that a range of commits brought and took, still live or not. */
export interface Gains {
  readonly kind: Gain;
  readonly adds: readonly AddFile[];
  readonly removes: readonly AddFile[];
}

const NOTHING: Gains = Object.freeze({ kind: 'none', adds: [], removes: [] });

/**
 * What `table` gained in (from, to]: commits that only re-arranged rows (compaction) bring nothing,
 * files that came and went inside the range cancel out. Truncated history is the value `lost`.
 */
export async function gainsOf(table: LakeTable, from: number, to: number): Promise<Gains> {
  const adds = new Map<string, AddFile>();
  const removes = new Map<string, AddFile>();
  try {
    for await (const commit of table.commits(from, to)) {
      for (const remove of commit.removes.filter((r) => r.dataChange)) takeFile({ adds, removes }, remove);
      for (const add of commit.adds.filter((a) => a.dataChange)) adds.set(fileKey(add.path), add);
    }
  } catch (error) {
    if (isFault(error, 'LAKE_LOG_TRUNCATED')) return { ...NOTHING, kind: 'lost' };
    throw error;
  }
  if (adds.size === 0 && removes.size === 0) return NOTHING;
  const kind = removes.size === 0 ? 'append' : 'rewrite';
  return { kind, adds: [...adds.values()], removes: [...removes.values()] };
}

// === Helpers ===

function takeFile(
  state: { readonly adds: Map<string, AddFile>; readonly removes: Map<string, AddFile> },
  remove: RemoveFile,
): void {
  const key = fileKey(remove.path);
  if (state.adds.delete(key)) return;
  const { path, partitionValues, size } = remove;
  state.removes.set(key, {
    path,
    partitionValues: partitionValues ?? {},
    size: size ?? 0,
    modificationTime: 0,
    dataChange: true,
  });
}
