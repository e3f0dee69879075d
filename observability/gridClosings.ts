import { isFault } from '../infra/core/errorCatalog.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { openTable } from '../lakehouse/table.ts';
import { type Closing, createClosingReader } from '../transforms/grid/closings.ts';
import type { ViolationSink } from './violations.ts';

/**
 * The closings are one chain without a gap, what they show never steps back, and none shows what has not
 * landed. Returns how many there are.
 */
export async function checkClosings(lake: Lake, violations: ViolationSink): Promise<number> {
  const closings = await readChain(lake, violations);
  for (const [index, closing] of closings.entries()) {
    const before = closings[index - 1];
    if (before !== undefined) checkStep(before, closing, violations);
  }
  const newest = closings.at(-1);
  if (newest !== undefined) await checkLanded(lake, newest, violations);
  return closings.length;
}

// === Helpers ===

async function readChain(lake: Lake, violations: ViolationSink): Promise<readonly Closing[]> {
  try {
    return await createClosingReader(lake.store)(Number.POSITIVE_INFINITY);
  } catch (error) {
    if (!isFault(error, 'GRID_CLOSING_CORRUPT')) throw error;
    violations.add('CLOSINGS_BROKEN', '_closings', error.message);
    return [];
  }
}

function checkStep(before: Closing, closing: Closing, violations: ViolationSink): void {
  for (const [table, offsets] of Object.entries(before.offsets)) {
    for (const [partition, offset] of Object.entries(offsets)) {
      const next = closing.offsets[table]?.[partition] ?? 0;
      if (next >= offset) continue;
      const what = `${partition} steps back from ${offset} to ${next}`;
      violations.add('CLOSINGS_BROKEN', `${table} at ${new Date(closing.atMs).toISOString()}`, what);
    }
  }
}

async function checkLanded(lake: Lake, newest: Closing, violations: ViolationSink): Promise<void> {
  for (const [name, offsets] of Object.entries(newest.offsets)) {
    const snapshot = await (await openTable(lake, name))?.snapshot();
    const landed = [...(snapshot?.txns ?? [])].filter(([appId]) => appId.startsWith('land:'));
    for (const [partition, shown] of Object.entries(offsets)) {
      const [, next = 0] = landed.find(([appId]) => appId.endsWith(`:${partition}`)) ?? [];
      if (next >= shown) continue;
      const what = `${partition} is shown up to ${shown}, landed up to ${next}`;
      violations.add('CLOSINGS_BROKEN', `${name} at ${new Date(newest.atMs).toISOString()}`, what);
    }
  }
}
