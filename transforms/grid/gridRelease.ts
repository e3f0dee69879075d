import { fault } from '../../infra/core/errorCatalog.ts';
import { jitteredBackoff } from '../../infra/core/retry.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { newestRelease, publishRelease, type Release } from '../../lakehouse/release.ts';
import type { ModelReport, RunSummary } from '../report.ts';
import type { GridStep } from './gridTable.ts';

/** Others publish at any time: each loss costs one read. */
const TRIES = 16;

/** Tables of the grid that are complete up to one grid point. */
export interface GridState {
  readonly run: string;
  readonly startedMs: number;
  readonly closedToMs: number;
  readonly steps: readonly GridStep[];
}

/**
 * Publishes the tables of the grid beside everything that the newest release holds. Nothing is published when
 * a release has them already, or newer ones. @throws GRID_CONTENDED
 */
export async function releaseGrid(
  lake: Lake,
  state: GridState,
): Promise<{ readonly outcome: 'published' | 'unchanged'; readonly release: number | undefined }> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const parent = await newestRelease(lake.store);
    if (parent !== undefined && !isNews(parent, state))
      return { outcome: 'unchanged', release: parent.number };
    const release = withGrid(parent, { ...state, createdMs: lake.clock.nowMs() });
    lake.crashPoint('before-grid-release');
    const put = await publishRelease(lake, release);
    lake.crashPoint('after-grid-release');
    if (put === 'published') return { outcome: 'published', release: release.number };
    await lake.clock.sleep(jitteredBackoff(Math.min(attempt, 5)));
  }
  throw fault('GRID_CONTENDED', { tries: TRIES });
}

// === Helpers ===

function isNews({ grid, tables }: Release, { closedToMs, steps }: GridState): boolean {
  if (grid === undefined || grid.closedToMs < closedToMs) return true;
  const isOlder = grid.closedToMs > closedToMs;
  return !isOlder && steps.some(({ table, snapshot }) => (tables[table] ?? -1) < snapshot.version);
}

/** The release that follows: what models made stays as it was. Pure. */
function withGrid(parent: Release | undefined, state: GridState & { readonly createdMs: number }): Release {
  const { run, createdMs, closedToMs, steps } = state;
  const former = new Set(parent?.grid?.tables);
  const others = Object.entries(parent?.tables ?? {}).filter(([table]) => !former.has(table));
  return {
    views: {},
    pins: {},
    staleSince: {},
    ...parent,
    number: (parent?.number ?? 0) + 1,
    run,
    ...(parent === undefined ? {} : { parent: parent.number }),
    createdMs,
    tables: Object.fromEntries([
      ...others,
      ...steps.map(({ table, snapshot }) => [table, snapshot.version] as const),
    ]),
    grid: { closedToMs, tables: steps.map(({ table }) => table) },
    summary: summaryOf(state),
  };
}

function summaryOf({
  startedMs,
  createdMs,
  closedToMs,
  steps,
}: GridState & { createdMs: number }): RunSummary {
  return {
    started_at: new Date(startedMs).toISOString(),
    finished_at: new Date(createdMs).toISOString(),
    models: steps.map((step) => gridReport(step, closedToMs)),
  };
}

/** A step as runs are reported. Pure. */
export function gridReport(step: GridStep, closedToMs: number): ModelReport {
  const from = step.fromMs === undefined ? 'the beginning' : new Date(step.fromMs).toISOString();
  return {
    model: step.table,
    kind: 'grid',
    action: step.action,
    why: `from ${from} to ${new Date(closedToMs).toISOString()}`,
    inputs: [],
    output_version: step.snapshot.version,
    rows_in: 0,
    rows_written: step.rowsWritten,
    rows_quarantined: 0,
    files_added: 0,
    files_removed: 0,
    seconds: step.seconds,
    audits: [],
    error: null,
  };
}
