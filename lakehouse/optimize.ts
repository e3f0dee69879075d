import { fault } from '../infra/core/errorCatalog.ts';
import { type AddFile, fileKey, rowsOf } from './actions.ts';
import type { Lake } from './lake.ts';
import { scan } from './scan.ts';
import type { Snapshot } from './snapshot.ts';
import { stageFile } from './stage.ts';
import type { LakeTable } from './table.ts';

export interface OptimizeOptions {
  /** Files are packed up to about this size. */
  readonly targetFileBytes?: number;
  /** A bin needs this many files, unless it is full. */
  readonly minFiles?: number;
  /** Younger files stay: their writer may still be at work beside us. */
  readonly minAgeMs?: number;
  /** SQL of an ORDER BY inside each new file. */
  readonly orderBy?: string;
  /** Plans only. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

/** Files of one partition that become one. */
export interface CompactionBin {
  readonly files: readonly AddFile[];
  readonly bytes: number;
}

export interface OptimizeResult {
  readonly bins: number;
  readonly filesBefore: number;
  readonly filesAfter: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Versions that were committed; none with `dryRun`. */
  readonly versions: readonly number[];
}

const DEFAULTS = { targetFileBytes: 128 * 2 ** 20, minFiles: 8, minAgeMs: 30_000 };
/** A file above this part of the target is large enough. */
const SMALL_FRACTION = 0.75;
const MAX_REPLANS = 5;

/**
 * Packs small files of each partition into larger ones, one commit a bin. Rows stay as they are
 * (`dataChange` is false), so incremental readers see nothing. A bin that loses against another
 * writer is dropped and the table planned again.
 */
export async function optimizeTable(
  lake: Lake,
  table: LakeTable,
  options: OptimizeOptions = {},
): Promise<OptimizeResult> {
  const done: { bin: CompactionBin; add: AddFile | undefined; version: number | undefined }[] = [];
  for (let replans = 0; replans <= MAX_REPLANS; replans += 1) {
    const snapshot = await table.snapshot();
    const bins = planCompaction(snapshot, options, lake.clock.nowMs());
    if (options.dryRun === true) {
      return summarize(bins.map((bin) => ({ bin, add: undefined, version: undefined })));
    }
    let lost = false;
    for (const bin of bins) {
      options.signal?.throwIfAborted();
      const outcome = await compactBin(lake, table, { bin, options });
      if (outcome === undefined) lost = true;
      else done.push({ bin, ...outcome });
    }
    if (!lost) break;
  }
  return summarize(done);
}

/** Bins of small files, in the order in which they were written. Pure. */
export function planCompaction(snapshot: Snapshot, options: OptimizeOptions, nowMs: number): CompactionBin[] {
  const { targetFileBytes, minFiles, minAgeMs } = { ...DEFAULTS, ...options };
  const byPartition = new Map<string, AddFile[]>();
  for (const add of snapshot.files.values()) {
    const isSmall = add.size < targetFileBytes * SMALL_FRACTION;
    if (!isSmall || add.modificationTime > nowMs - minAgeMs) continue;
    const key = JSON.stringify(snapshot.partitionColumns.map((name) => add.partitionValues[name] ?? null));
    const files = byPartition.get(key) ?? [];
    files.push(add);
    byPartition.set(key, files);
  }
  return [...byPartition.values()]
    .flatMap((files) => packBins(files, targetFileBytes))
    .filter(({ files, bytes }) => files.length >= minFiles || (files.length > 1 && bytes >= targetFileBytes));
}

// === Helpers ===

function packBins(files: readonly AddFile[], targetFileBytes: number): CompactionBin[] {
  const bins: { files: AddFile[]; bytes: number }[] = [];
  for (const add of [...files].sort((a, b) => a.modificationTime - b.modificationTime)) {
    const last = bins.at(-1);
    if (last !== undefined && last.bytes < targetFileBytes) {
      last.files.push(add);
      last.bytes += add.size;
    } else bins.push({ files: [add], bytes: add.size });
  }
  return bins;
}

/** The new file and its version; undefined when another writer was there first. */
async function compactBin(
  lake: Lake,
  table: LakeTable,
  work: { readonly bin: CompactionBin; readonly options: OptimizeOptions },
): Promise<{ add: AddFile | undefined; version: number } | undefined> {
  const { bin, options } = work;
  const base = await table.snapshot();
  if (bin.files.some((file) => !base.files.has(fileKey(file.path)))) return undefined;
  const adds = await rewrite(lake, base, { bin, options });
  const result = await table.commit({
    operation: 'OPTIMIZE',
    operationMetrics: {
      numRemovedFiles: String(bin.files.length),
      numAddedFiles: String(adds.length),
      numRemovedBytes: String(bin.bytes),
    },
    base,
    adds,
    removes: bin.files,
    reads: 'nothing',
    dataChange: false,
  });
  return result.kind === 'committed' ? { add: adds[0], version: result.version } : undefined;
}

/** @throws LAKE_REARRANGED_ROWS rather than committing fewer or more rows than were read */
async function rewrite(
  lake: Lake,
  base: Snapshot,
  work: { readonly bin: CompactionBin; readonly options: OptimizeOptions },
): Promise<AddFile[]> {
  const { files } = work.bin;
  await using session = await lake.duckdb.connect();
  await using source = await scan(lake, base, { files });
  const adds = await stageFile(lake, base, {
    session,
    select: `FROM ${source.sql}`,
    partitionValues: files[0]?.partitionValues ?? {},
    dataChange: false,
    ...(work.options.orderBy === undefined ? {} : { orderBy: work.options.orderBy }),
  });
  const expected = files.reduce((sum, file) => sum + (rowsOf(file) ?? Number.NaN), 0);
  const actual = adds.reduce((sum, add) => sum + (rowsOf(add) ?? 0), 0);
  if (Number.isNaN(expected) || expected === actual) return adds;
  throw fault('LAKE_REARRANGED_ROWS', { table: base.table, expected, actual });
}

function summarize(
  done: readonly { bin: CompactionBin; add: AddFile | undefined; version: number | undefined }[],
): OptimizeResult {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return {
    bins: done.length,
    filesBefore: sum(done.map(({ bin }) => bin.files.length)),
    filesAfter: done.length,
    bytesBefore: sum(done.map(({ bin }) => bin.bytes)),
    bytesAfter: sum(done.map(({ add }) => add?.size ?? 0)),
    versions: done.flatMap(({ version }) => version ?? []),
  };
}
