import { fault } from '../../infra/core/errorCatalog.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import type { Snapshot } from '../../lakehouse/snapshot.ts';
import { openTable } from '../../lakehouse/table.ts';
import { type Closing, claimFirst, gridPoint, newestClosing, putClosing } from './closings.ts';

/** Offsets by partition (`<topic>@<topic id>:<partition>`), ends exclusive. */
export type Offsets = ReadonlyMap<string, number>;

/** A bronze table whose rows count for features, and how to know how far it has come. */
export interface GridSource {
  readonly table: string;
  /** Next offset of each partition of every incarnation, files included. */
  landed(snapshot: Snapshot): Offsets;
  /** Whether these are records of a topic, not of a file. */
  isLive(partition: string): boolean;
}

export interface GridSettings {
  readonly gridMs: number;
  /** After a grid point until it is closed: time for its records to arrive. */
  readonly delayMs: number;
  /** How long landing is waited for at most. */
  readonly waitMs: number;
  /** Marts hold at least this much of the past. */
  readonly keepMs: number;
}

export interface CloseDeps {
  readonly lake: Lake;
  readonly sources: readonly GridSource[];
  /** Ends of the topics' logs over all sources; undefined: Kafka does not answer. */
  readonly logEnds: () => Promise<Offsets | undefined>;
  readonly settings: GridSettings;
  /** False: while all that has landed came from files nothing is closed yet, for more of them may follow. */
  readonly beginsWithFiles?: boolean;
}

/**
 * Closes the newest grid point that is due, and returns the newest closing; undefined when there is none.
 * First it waits until landing has passed the ends of the logs, at most `waitMs`, so that what is idle or
 * stuck holds up nobody for longer. Grid points that nobody closed in time are skipped: they show what the
 * point before them showed, since that is what was known then. While Kafka is away nothing is closed,
 * unless all that ever landed came from files; nor is anything before the first record (`beginsWithFiles`: the
 * first live one), so that history may still land as history. @throws GRID_CHANGED
 */
export async function closeGrid(deps: CloseDeps, signal?: AbortSignal): Promise<Closing | undefined> {
  const { lake, settings } = deps;
  const { gridMs, delayMs } = settings;
  const dueMs = gridPoint(gridMs, lake.clock.nowMs() - delayMs);
  const newest = await newestClosing(lake.store);
  if (newest !== undefined && newest.gridMs !== gridMs)
    throw fault('GRID_CHANGED', { was: newest.gridMs, is: gridMs });
  if (newest !== undefined && newest.atMs >= dueMs) return newest;
  if (newest === undefined && !(await mayBegin(deps))) return undefined;
  if (!(await hasLanded(deps, signal))) return newest;
  const firstMs = newest?.atMs ?? (await claimFirst(lake, dueMs));
  // Somebody began the chain behind this grid point meanwhile: before its beginning nothing is closed.
  if (firstMs > dueMs) return await newestClosing(lake.store);
  const before = newest ?? beginning(settings, { firstMs, dueMs });
  if (before !== undefined && !(await skipBefore(lake, before, dueMs))) return await closeGrid(deps, signal);
  const offsets = await offsetsByTable(deps);
  const closing = { atMs: dueMs, gridMs, delayMs, isSkipped: false, offsets };
  // Whoever was first is right: what landed since is for a later grid point.
  return (await putClosing(lake, closing)) === 'closed' ? closing : await closeGrid(deps, signal);
}

// === Helpers ===

const POLL_MS = 500;

/** Files count as history until the first closing: who watches from the start must not cut them short. */
async function mayBegin({ lake, sources, beginsWithFiles = true }: CloseDeps): Promise<boolean> {
  const landed = await landedOffsets(lake, sources);
  return beginsWithFiles ? landed.length > 0 : landed.some(({ isLive }) => isLive);
}

/** Skips the grid points between; false when somebody else closes meanwhile. */
async function skipBefore(lake: Lake, before: Closing, dueMs: number): Promise<boolean> {
  for (let atMs = before.atMs + before.gridMs; atMs < dueMs; atMs += before.gridMs) {
    if ((await putClosing(lake, { ...before, atMs, isSkipped: true })) === 'taken') return false;
  }
  return true;
}

/**
 * What stands before the first closing: nothing, unless somebody who began the chain earlier fell asleep
 * before closing its first grid point, which then shows nothing.
 */
function beginning(
  { gridMs, delayMs }: GridSettings,
  { firstMs, dueMs }: { readonly firstMs: number; readonly dueMs: number },
): Closing | undefined {
  return firstMs < dueMs
    ? { atMs: firstMs - gridMs, gridMs, delayMs, isSkipped: true, offsets: {} }
    : undefined;
}

/** Waits for landing; false when Kafka does not answer. */
async function hasLanded(
  { lake, sources, logEnds, settings }: CloseDeps,
  signal?: AbortSignal,
): Promise<boolean> {
  const ends = await logEnds();
  if (ends === undefined) return !(await landedOffsets(lake, sources)).some(({ isLive }) => isLive);
  const startedMs = lake.clock.nowMs();
  for (;;) {
    const landed = new Map(
      (await landedOffsets(lake, sources)).map(({ partition, offset }) => [partition, offset]),
    );
    const missing = [...ends].filter(([partition, end]) => end > (landed.get(partition) ?? 0));
    if (missing.length === 0) return true;
    const leftMs = settings.waitMs - (lake.clock.nowMs() - startedMs);
    if (leftMs <= 0) {
      lake.log.info(
        { behind: missing.map(([partition]) => partition) },
        'the grid point is closed without the rest',
      );
      return true;
    }
    await lake.clock.sleep(Math.min(POLL_MS, leftMs), signal);
  }
}

async function landedOffsets(lake: Lake, sources: readonly GridSource[]) {
  const all: { partition: string; offset: number; isLive: boolean }[] = [];
  for (const { table, landed, isLive } of sources) {
    const snapshot = await (await openTable(lake, table))?.snapshot();
    if (snapshot === undefined) continue;
    for (const [partition, offset] of landed(snapshot)) {
      all.push({ partition, offset, isLive: isLive(partition) && offset > 0 });
    }
  }
  return all;
}

async function offsetsByTable({ lake, sources }: CloseDeps): Promise<Closing['offsets']> {
  const offsets: Record<string, Record<string, number>> = {};
  for (const { table, landed } of sources) {
    const snapshot = await (await openTable(lake, table))?.snapshot();
    offsets[table] = Object.fromEntries(snapshot === undefined ? [] : landed(snapshot));
  }
  return offsets;
}
