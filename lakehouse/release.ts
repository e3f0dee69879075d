import { z } from 'zod';
import { fault } from '../infra/core/errorCatalog.ts';
import { jitteredBackoff } from '../infra/core/retry.ts';
import type { Lake } from './lake.ts';
import { versionText } from './logPath.ts';
import type { ObjectStore } from './storage.ts';

const releaseSchema = z.object({
  /** From 1, without gaps. */
  number: z.number().int().positive(),
  /** The run that published it. */
  run: z.string(),
  parent: z.number().int().optional(),
  createdMs: z.number(),
  /** Version of each table that belongs to the release. */
  tables: z.record(z.string(), z.number().int()),
  /** SQL of each view. */
  views: z.record(z.string(), z.string()),
  /** Tables that runs must leave at a version, until they are unpinned. */
  pins: z.record(z.string(), z.number().int()),
  /** Tables whose newest data was held back: since when (ISO time), see the run for why. */
  staleSince: z.record(z.string(), z.string()),
  /**
   * Tables that follow the grid, not a run of models: they are complete up to the grid point `closedToMs`
   * (ms since 1970 UTC). Releases by others carry them on.
   */
  grid: z.object({ closedToMs: z.number().int(), tables: z.array(z.string()) }).optional(),
  summary: z.unknown().optional(),
});

/** One consistent set of table versions: readers open the newest release and see all of it. */
export type Release = Readonly<z.infer<typeof releaseSchema>>;

const RELEASES = '_releases/';
/** Where to start listing; a hint that may lag behind or be missing. */
const NEWEST_HINT = '_releases/_newest';
/** With waits that add up to about twenty seconds. */
const PUT_ATTEMPTS = 16;

/** The newest release, or undefined before the first. */
export async function newestRelease(store: ObjectStore): Promise<Release | undefined> {
  const hint = await store.read(NEWEST_HINT);
  const known = hint === undefined ? 0 : Number(new TextDecoder().decode(hint));
  const startAfter = Number.isSafeInteger(known) && known > 1 ? releaseKey(known - 1) : undefined;
  let newest: number | undefined;
  for await (const { key } of store.list(RELEASES, startAfter)) {
    const match = /^_releases\/(\d{20})\.json$/.exec(key);
    if (match !== null) newest = Number(match[1]);
  }
  return newest === undefined ? undefined : readRelease(store, newest);
}

/** Release `number`, or undefined when there is none. @throws LAKE_RELEASE_CORRUPT */
export async function readRelease(store: ObjectStore, number: number): Promise<Release | undefined> {
  const body = await store.read(releaseKey(number));
  if (body === undefined) return undefined;
  try {
    return releaseSchema.parse(JSON.parse(new TextDecoder().decode(body)));
  } catch (error) {
    throw fault('LAKE_RELEASE_CORRUPT', { number }, error);
  }
}

/**
 * Publishes a release under its own number. `taken`: somebody else has it; plan again on theirs,
 * never re-number. A lost answer is resolved by reading back: the run's id says whose it is.
 * @throws LAKE_COMMIT_TIMEOUT (the release may still appear)
 */
export async function publishRelease(
  { store, clock, crashPoint }: Pick<Lake, 'store' | 'clock' | 'crashPoint'>,
  release: Release,
): Promise<'published' | 'taken'> {
  const body = new TextEncoder().encode(JSON.stringify(releaseSchema.parse(release)));
  for (let attempt = 0; attempt < PUT_ATTEMPTS; attempt += 1) {
    crashPoint('before-release-put');
    // COMMIT POINT: the models' commits stand already; from here on readers see them, all at once.
    const put = await store.putIfAbsent(releaseKey(release.number), body);
    crashPoint('after-release-put');
    const theirs = put === 'created' ? release : await readRelease(store, release.number);
    if (theirs !== undefined && theirs.run !== release.run) return 'taken';
    if (theirs !== undefined) {
      await store.put(NEWEST_HINT, new TextEncoder().encode(String(release.number)));
      return 'published';
    }
    await clock.sleep(jitteredBackoff(attempt));
  }
  throw fault('LAKE_COMMIT_TIMEOUT', { table: RELEASES, attempts: PUT_ATTEMPTS });
}

/**
 * The release that follows `current` and holds what is named as it was in `target`: tables are pinned,
 * views have their SQL of then, and what was not there is left out. Pure.
 */
export function rollbackRelease(
  current: Release,
  change: {
    readonly run: string;
    readonly createdMs: number;
    readonly target: Release;
    readonly names: ReadonlySet<string>;
  },
): Release {
  const { target, names } = change;
  const asThen = <T>(now: Readonly<Record<string, T>>, then: Readonly<Record<string, T>>) =>
    Object.fromEntries([
      ...Object.entries(now).filter(([name]) => !names.has(name)),
      ...Object.entries(then).filter(([name]) => names.has(name)),
    ]);
  return {
    ...current,
    ...successor(current, change),
    tables: asThen(current.tables, target.tables),
    views: asThen(current.views, target.views),
    pins: asThen(current.pins, target.tables),
  };
}

/** The release that follows `current` without these pins; the next run catches the tables up. Pure. */
export function unpinRelease(
  current: Release,
  change: { readonly run: string; readonly createdMs: number; readonly tables: readonly string[] },
): Release {
  const pins = Object.entries(current.pins).filter(([table]) => !change.tables.includes(table));
  const since = new Date(change.createdMs).toISOString();
  const unpinned = change.tables.filter((table) => table in current.pins);
  return {
    ...current,
    ...successor(current, change),
    pins: Object.fromEntries(pins),
    staleSince: { ...current.staleSince, ...Object.fromEntries(unpinned.map((table) => [table, since])) },
  };
}

// === Helpers ===

function releaseKey(number: number): string {
  return `${RELEASES}${versionText(number)}.json`;
}

function successor(current: Release, change: { readonly run: string; readonly createdMs: number }) {
  return {
    number: current.number + 1,
    parent: current.number,
    run: change.run,
    createdMs: change.createdMs,
    summary: undefined,
  };
}
