import { isFault } from '../infra/core/errorCatalog.ts';
import { type AddFile, fileKey, type RemoveFile } from '../lakehouse/actions.ts';
import { readChanges, type TableChanges } from '../lakehouse/changes.ts';
import { duckdbType } from '../lakehouse/schema.ts';
import type { LakeTable } from '../lakehouse/table.ts';
import type { Gain } from './plan.ts';

/** The data files that a range of commits brought and took, still live or not. */
export interface Gains {
  readonly kind: Gain;
  readonly adds: readonly AddFile[];
  readonly removes: readonly AddFile[];
}

/**
 * What `table` gained in (from, to]: commits that only re-arranged rows (compaction) bring nothing,
 * files that came and went inside the range cancel out. Truncated history is the value `lost`, rows
 * that went under other types are `retyped`.
 */
export async function gainsOf(table: LakeTable, from: number, to: number): Promise<Gains> {
  try {
    const changes = await readChanges(table, from, to);
    const gains = netGains(changes);
    // Rows of then are compared with rows of now: that takes the same types.
    const isRetyped =
      gains.kind === 'rewrite' && changes.isRedefined && (await areTypesOther(table, from, to));
    return isRetyped ? { ...gains, kind: 'retyped' } : gains;
  } catch (error) {
    const isGone = isFault(error, 'LAKE_LOG_TRUNCATED') || isFault(error, 'LAKE_LOG_GAP');
    if (isGone) return { kind: 'lost', adds: [], removes: [] };
    throw error;
  }
}

/** Files that came more often than they went, and the other way round. Pure. */
export function netGains(changes: Pick<TableChanges, 'adds' | 'removes'>): Gains {
  const net = new Map<string, { file: AddFile; times: number }>();
  const count = (file: AddFile, step: 1 | -1): void => {
    const entry = net.get(fileKey(file.path)) ?? { file, times: 0 };
    entry.times += step;
    net.set(fileKey(file.path), entry);
  };
  for (const add of changes.adds) count(add, 1);
  for (const remove of changes.removes) count(fileOfRemove(remove), -1);
  const adds = [...net.values()].filter(({ times }) => times > 0).map(({ file }) => file);
  const removes = [...net.values()].filter(({ times }) => times < 0).map(({ file }) => file);
  if (removes.length > 0) return { kind: 'rewrite', adds, removes };
  return { kind: adds.length > 0 ? 'append' : 'none', adds, removes };
}

// === Helpers ===

/** Whether a column that is there at both versions has another type at each. */
async function areTypesOther(table: LakeTable, from: number, to: number): Promise<boolean> {
  const { schema } = await table.snapshot({ version: from });
  const before = new Map(schema.map((f) => [f.name, duckdbType(f.type)]));
  const after = await table.snapshot({ version: to });
  return after.schema.some((f) => (before.get(f.name) ?? duckdbType(f.type)) !== duckdbType(f.type));
}

function fileOfRemove({ path, partitionValues, size }: RemoveFile): AddFile {
  return {
    path,
    partitionValues: partitionValues ?? {},
    size: size ?? 0,
    modificationTime: 0,
    dataChange: true,
  };
}
