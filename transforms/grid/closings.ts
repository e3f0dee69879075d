import { z } from 'zod';
import { fault } from '../../infra/core/errorCatalog.ts';
import { jitteredBackoff } from '../../infra/core/retry.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { putOnce } from '../../lakehouse/putOnce.ts';
import type { ObjectStore } from '../../lakehouse/storage.ts';

const closingSchema = z.object({
  /** The grid point, ms since 1970 UTC. */
  atMs: z.number().int(),
  gridMs: z.number().int().positive(),
  /** A grid point is closed this much later; rows of files that landed before the first closing follow it. */
  delayMs: z.number().int().nonnegative(),
  /** True when nobody was there to close it: it shows what its predecessor showed. */
  isSkipped: z.boolean(),
  /** By bronze table and partition (`<topic>@<topic id>:<partition>`): offsets below this are visible from here on. */
  offsets: z.record(z.string(), z.record(z.string(), z.number().int())),
});

/** What of bronze counts from a grid point on: a fact that never changes. */
export type Closing = Readonly<z.infer<typeof closingSchema>>;

const CLOSINGS = '_closings/';
/** Where to start listing; a hint that may lag behind or be missing. */
const NEWEST_HINT = '_closings/_newest';
const FIRST = '_closings/_first';
const PUT_ATTEMPTS = 16;
const READ_AT_ONCE = 32;

/** The newest closing, or undefined before the first. @throws GRID_CLOSING_CORRUPT */
export async function newestClosing(store: ObjectStore): Promise<Closing | undefined> {
  const hint = await store.read(NEWEST_HINT);
  const known = hint === undefined ? Number.NaN : Number(new TextDecoder().decode(hint));
  const startAfter = Number.isSafeInteger(known) ? keyOf(known - 1) : undefined;
  let newest: string | undefined;
  for await (const { key } of store.list(CLOSINGS, startAfter)) if (isClosing(key)) newest = key;
  return newest === undefined ? undefined : await readClosing(store, newest);
}

/**
 * Reads closings and keeps them, since they never change: all up to `toMs`, oldest first.
 * @throws GRID_CLOSING_CORRUPT when one is missing between two others
 */
export function createClosingReader(store: ObjectStore): (toMs: number) => Promise<readonly Closing[]> {
  const known: Closing[] = [];
  return async (toMs) => {
    const last = known.at(-1);
    const keys: string[] = [];
    for await (const { key } of store.list(CLOSINGS, last && keyOf(last.atMs)))
      if (isClosing(key)) keys.push(key);
    for (let at = 0; at < keys.length; at += READ_AT_ONCE) {
      known.push(
        ...(await Promise.all(keys.slice(at, at + READ_AT_ONCE).map((key) => readClosing(store, key)))),
      );
    }
    checkChain(known);
    return known.filter(({ atMs }) => atMs <= toMs);
  };
}

/**
 * Closes a grid point, once for all time. Each closing follows the one before it by one step of the grid, so
 * a writer that slept finds its place taken: it reads again and decides again. A lost answer is resolved by
 * reading back. @throws LAKE_COMMIT_TIMEOUT (the closing may still appear)
 */
export async function putClosing(
  lake: Pick<Lake, 'store' | 'clock' | 'crashPoint'>,
  closing: Closing,
): Promise<'closed' | 'taken'> {
  const { store, clock, crashPoint } = lake;
  const body = new TextEncoder().encode(JSON.stringify(closingSchema.parse(closing)));
  for (let attempt = 0; attempt < PUT_ATTEMPTS; attempt += 1) {
    crashPoint('before-closing-put');
    // COMMIT POINT: from here on everybody agrees about what is visible from this grid point on.
    const put = await store.putIfAbsent(keyOf(closing.atMs), body);
    crashPoint('after-closing-put');
    const theirs = put === 'created' ? body : await store.read(keyOf(closing.atMs));
    if (theirs !== undefined && Buffer.compare(body, theirs) !== 0) return 'taken';
    if (theirs !== undefined) {
      await store.put(NEWEST_HINT, new TextEncoder().encode(String(closing.atMs)));
      return 'closed';
    }
    await clock.sleep(jitteredBackoff(attempt));
  }
  throw fault('LAKE_COMMIT_TIMEOUT', { table: CLOSINGS, attempts: PUT_ATTEMPTS });
}

/**
 * The grid point at which the chain begins, said once for all time before the first closing: the first who
 * says it is right, everybody else gets what was said. @throws LAKE_COMMIT_TIMEOUT
 */
export async function claimFirst(lake: Pick<Lake, 'store' | 'clock'>, atMs: number): Promise<number> {
  const said = await putOnce(lake, FIRST, new TextEncoder().encode(String(atMs)));
  return Number(new TextDecoder().decode(said));
}

/** The newest grid point at or before a time. Pure. */
export function gridPoint(gridMs: number, ms: number): number {
  return Math.floor(ms / gridMs) * gridMs;
}

// === Helpers ===

function keyOf(atMs: number): string {
  return `${CLOSINGS}${String(atMs).padStart(16, '0')}.json`;
}

function isClosing(key: string): boolean {
  return /^_closings\/\d{16}\.json$/.test(key);
}

async function readClosing(store: ObjectStore, key: string): Promise<Closing> {
  const body = await store.read(key);
  try {
    return closingSchema.parse(JSON.parse(new TextDecoder().decode(body)));
  } catch (error) {
    throw fault('GRID_CLOSING_CORRUPT', { key }, error);
  }
}

function checkChain(closings: readonly Closing[]): void {
  for (let i = 1; i < closings.length; i += 1) {
    const [before, closing] = [closings[i - 1], closings[i]];
    if (before === undefined || closing === undefined || closing.atMs === before.atMs + closing.gridMs)
      continue;
    throw fault('GRID_CLOSING_CORRUPT', { key: keyOf(before.atMs + closing.gridMs) });
  }
}
