import type { Lake } from '../lakehouse/lake.ts';
import { newestRelease, type Release, readRelease } from '../lakehouse/release.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { type LakeTable, openTable } from '../lakehouse/table.ts';
import { gridAppId } from '../transforms/grid/martTable.ts';
import { DEFINITION, progressAppId } from '../transforms/progress.ts';
import { checkClosings } from './gridClosings.ts';
import type { ViolationSink } from './violations.ts';

/**
 * A release is closed when each of its models was computed from the released versions of its sources:
 * the progress in the model's table at its released version is the source's released version, or
 * nothing happened to the source's rows in between. Pinned and stale models are older by intent. Tables of
 * the grid are complete up to the grid point that the release names.
 */
export interface ReleasesChecked {
  /** Releases that were looked at in this run. */
  readonly checked: number;
  readonly newest: number | undefined;
}

/** Checks the closings of the grid, and the releases after `verified`. */
export async function checkReleases(
  lake: Lake,
  verified: number,
  violations: ViolationSink,
): Promise<ReleasesChecked> {
  await checkClosings(lake, violations);
  const newest = await newestRelease(lake.store);
  if (newest === undefined) return { checked: 0, newest: undefined };
  const tables = tableOpener(lake);
  let checked = 0;
  for (let number = verified + 1; number <= newest.number; number += 1) {
    const release = number === newest.number ? newest : await readRelease(lake.store, number);
    if (release === undefined) {
      violations.add('RELEASE_UNREADABLE', `release ${number}`, 'it is not there, a later one is');
      continue;
    }
    checked += 1;
    await checkRelease({ release, tables }, violations);
  }
  return { checked, newest: newest.number };
}

// === Helpers ===

type TableOpener = (name: string) => Promise<LakeTable | undefined>;

/** Each table is opened once; snapshots at versions are read through its cache. */
function tableOpener(lake: Lake): TableOpener {
  const opened = new Map<string, Promise<LakeTable | undefined>>();
  return (name) => {
    const known = opened.get(name) ?? openTable(lake, name);
    opened.set(name, known);
    return known;
  };
}

interface ReleaseCheck {
  readonly release: Release;
  readonly tables: TableOpener;
}

async function checkRelease(check: ReleaseCheck, violations: ViolationSink): Promise<void> {
  const { release } = check;
  const names = new Map<string, string>();
  for (const name of Object.keys(release.tables)) {
    const table = await check.tables(name);
    if (table !== undefined) names.set(table.id, name);
  }
  for (const [name, version] of Object.entries(release.tables)) {
    const where = `release ${release.number}, ${name}`;
    const snapshot = await snapshotAt(await check.tables(name), version);
    if (snapshot === undefined) {
      violations.add('RELEASE_UNREADABLE', where, `version ${version} is not there`);
      continue;
    }
    checkGrid(release, { name, where, snapshot }, violations);
    if (name in release.pins || name in release.staleSince) continue;
    for (const [sourceId, consumed] of consumedVersions(name, snapshot)) {
      const source = names.get(sourceId);
      if (source !== undefined) await checkSource(check, { where, source, consumed }, violations);
    }
  }
}

/** Tables that follow the grid are complete up to the grid point that the release says, and not beyond. */
function checkGrid(
  { grid }: Release,
  found: { readonly name: string; readonly where: string; readonly snapshot: Snapshot },
  violations: ViolationSink,
): void {
  if (grid?.tables.includes(found.name) !== true) return;
  const reached = found.snapshot.txns.get(gridAppId(found.name));
  if (reached === grid.closedToMs) return;
  const text = (ms: number | undefined) => (ms === undefined ? 'none' : new Date(ms).toISOString());
  const what = `complete up to ${text(reached)}, the release says ${text(grid.closedToMs)}`;
  violations.add('RELEASE_NOT_CLOSED', found.where, what);
}

async function snapshotAt(table: LakeTable | undefined, version: number): Promise<Snapshot | undefined> {
  if (table === undefined) return undefined;
  const newest = await table.snapshot();
  if (newest.version === version) return newest;
  return version < newest.version ? await table.snapshot({ version }) : undefined;
}

/** Versions of its sources that the rows of a model's table stand for, by source id. */
function consumedVersions(name: string, snapshot: Snapshot): ReadonlyMap<string, number> {
  const definition = snapshot.metadata.configuration?.[DEFINITION];
  if (definition === undefined) return new Map();
  const prefix = progressAppId(name, definition, '');
  const own = [...snapshot.txns].filter(([appId]) => appId.startsWith(prefix));
  return new Map(own.map(([appId, version]) => [appId.slice(prefix.length), version]));
}

async function checkSource(
  { release, tables }: ReleaseCheck,
  found: { where: string; source: string; consumed: number },
  violations: ViolationSink,
): Promise<void> {
  const released = release.tables[found.source];
  const table = await tables(found.source);
  if (released === undefined || table === undefined || released === found.consumed) return;
  const [from, to] = [Math.min(released, found.consumed), Math.max(released, found.consumed)];
  for await (const { version, adds, removes } of table.commits(from, to)) {
    if (![...adds, ...removes].some(({ dataChange }) => dataChange)) continue;
    const what = `computed from ${found.source} version ${found.consumed}, released is ${released}; version ${version} changes rows`;
    violations.add('RELEASE_NOT_CLOSED', found.where, what);
    return;
  }
}
