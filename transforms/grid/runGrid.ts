import { randomUUID } from 'node:crypto';
import { fault } from '../../infra/core/errorCatalog.ts';
import { jitteredBackoff } from '../../infra/core/retry.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import type { GoldEntity } from '../goldEntity.ts';
import type { ModelReport } from '../report.ts';
import { type CloseDeps, closeGrid } from './closeGrid.ts';
import { type Closing, createClosingReader } from './closings.ts';
import { gridReport, releaseGrid } from './gridRelease.ts';
import type { GridStep } from './gridTable.ts';
import { bringMart } from './martsStep.ts';
import { bringTiles } from './tilesStep.ts';

export interface GridDeps extends CloseDeps {
  readonly lake: Lake;
  readonly entities: readonly GoldEntity[];
}

export interface GridReport {
  /** `not closed`: no grid point was ever closed, since nothing has landed or Kafka is away. */
  readonly outcome: 'published' | 'unchanged' | 'not closed';
  /** Everything is complete up to this grid point. */
  readonly closedToMs: number | undefined;
  readonly release: number | undefined;
  readonly tables: readonly ModelReport[];
}

/** One step of the grid, to be called as often as one likes. */
export type GridRunner = (request?: {
  readonly signal?: AbortSignal;
  /** Called after each table. */
  readonly onTable?: (report: ModelReport) => void;
}) => Promise<GridReport>;

/** Runners that are lost against before giving up; each try starts from the newest closing. */
const TRIES = 16;

/**
 * A runner of the grid. A step, in this order, each part of which a killed run repeats without harm:
 *
 *   closing   the newest grid point that is due is closed
 *   tiles     of what became visible since the tables' own progress, entity by entity
 *   marts     from tiles that are complete up to the closing
 *   release   all of it at once, with the grid point that it is complete up to
 *
 * Several runners at once are safe: a commit moves progress from the value that was read.
 * @throws GRID_CHANGED, GRID_CLOSING_CORRUPT, GRID_ROWS_DIFFER, GRID_CONTENDED, and errors of the object store
 */
export function createGridRunner(deps: GridDeps): GridRunner {
  const { lake } = deps;
  const readClosings = createClosingReader(lake.store);
  let last: GridReport = NOTHING;
  return async ({ signal, onTable } = {}) => {
    if (deps.entities.length === 0) return NOTHING;
    const [run, startedMs] = [randomUUID(), lake.clock.nowMs()];
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const closing = await closeGrid(deps, signal);
      if (!showsAnything(closing)) return NOTHING;
      // Nothing moves between two grid points: what this runner has published needs no second look.
      if (closing.atMs === last.closedToMs) return { ...last, outcome: 'unchanged', tables: [] };
      const steps = await bringTables(deps, { closings: await readClosings(closing.atMs), signal, onTable });
      if (steps !== undefined) {
        const closedToMs = closing.atMs;
        const released = await releaseGrid(lake, { run, startedMs, closedToMs, steps });
        last = { ...released, closedToMs, tables: steps.map((step) => gridReport(step, closedToMs)) };
        return last;
      }
      lake.log.info({ run, attempt }, 'another runner of the grid was faster; looking again');
      await lake.clock.sleep(jitteredBackoff(Math.min(attempt, 5)), signal);
    }
    throw fault('GRID_CONTENDED', { tries: TRIES });
  };
}

// === Helpers ===

const NOTHING: GridReport = { outcome: 'not closed', closedToMs: undefined, release: undefined, tables: [] };

/** Who began the chain may have died after the grid points that it skipped: there is nothing to roll up yet. */
function showsAnything(closing: Closing | undefined): closing is Closing {
  return closing !== undefined && Object.keys(closing.offsets).length > 0;
}

/** All tables at one grid point; undefined when somebody else has moved one of them meanwhile. */
async function bringTables(
  deps: GridDeps,
  work: {
    readonly closings: readonly Closing[];
    readonly signal: AbortSignal | undefined;
    readonly onTable: ((report: ModelReport) => void) | undefined;
  },
): Promise<GridStep[] | undefined> {
  const { lake, entities, sources, settings } = deps;
  const { closings, signal, onTable } = work;
  const toMs = closings.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
  const isFile = (partition: string) => !sources.some((source) => source.isLive(partition));
  const steps: GridStep[] = [];
  const done = (step: GridStep | undefined) => {
    if (step === undefined || (step.fromMs ?? toMs) > toMs) return false;
    steps.push(step);
    if (step.action !== 'up to date') onTable?.(gridReport(step, toMs));
    return true;
  };
  for (const entity of entities) {
    signal?.throwIfAborted();
    const tiles = await bringTiles(lake, { entity, closings, isFile });
    if (tiles === undefined || !done(tiles)) return undefined;
    const mart = await bringMart(lake, entity, { ...settings, tiles: tiles.snapshot, toMs });
    if (!done(mart)) return undefined;
  }
  return steps;
}
