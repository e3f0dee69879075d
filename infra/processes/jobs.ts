import type { Lake } from '../../lakehouse/lake.ts';
import { optimizeTable } from '../../lakehouse/optimize.ts';
import { listTables, openTable } from '../../lakehouse/table.ts';
import { openRegistry } from '../../scoring/registry.ts';
import type { GridRunner } from '../../transforms/grid/runGrid.ts';
import { isComplete } from '../../transforms/report.ts';
import { runModels } from '../../transforms/run.ts';
import { runSchedule } from '../../transforms/schedule.ts';
import { type Content, paymentContent } from '../content.ts';
import { systemClock } from '../core/clock.ts';
import { armCrashPoint } from '../core/crashPoint.ts';
import { type ProcessContext, runProcess } from '../core/lifecycle.ts';
import type { Logger } from '../core/ports.ts';
import { openGrid } from '../grid.ts';
import { openLake } from '../lake.ts';
import { trainingTask } from '../trainingTask.ts';
import { openTransforms } from '../transforms.ts';

/** Bronze stays readable by place; other tables keep the order in which their files were written. */
const BRONZE_ORDER = '_partition, _offset';

/** The work of the clock: transforms and compaction, scheduled in PostgreSQL. */
export async function runJobs(content: Content, { config, log, signal }: ProcessContext): Promise<void> {
  await using lake = await openLake(config, { log, crashPoint: armCrashPoint(config.crashAt) });
  const transforms = {
    name: 'transforms',
    everyMs: config.schedule.transformsMs,
    run: async (stop: AbortSignal) => {
      // Models are read at each run: an edited file counts from the next one on.
      const deps = await openTransforms(lake, content, log);
      const report = await runModels(deps, { signal: stop });
      log.info(
        { outcome: report.outcome, release: report.release, complete: isComplete(report) },
        'run done',
      );
    },
  };
  // One for all steps: it remembers the closings that it has read.
  let runGrid: GridRunner | undefined;
  const grid = {
    name: 'grid',
    // Looking whether a grid point is due costs a listing.
    everyMs: Math.min(config.grid.gridMs / 2, 30_000),
    run: async (stop: AbortSignal) => {
      runGrid ??= await openGrid(lake, content, config);
      const { outcome, release, closedToMs = null } = await runGrid({ signal: stop });
      if (outcome === 'published') log.info({ release, closedToMs }, 'grid point published');
    },
  };
  const compaction = {
    name: 'compaction',
    everyMs: config.schedule.compactionMs,
    run: (stop: AbortSignal) => compactAll(lake, { log, signal: stop }),
  };
  const training = trainingTask({ registry: openRegistry(lake), clock: systemClock, log }, config.schedule);
  const postgresUrl = config.postgres.url;
  await runSchedule(
    { postgresUrl, tasks: [transforms, grid, compaction, training], clock: systemClock, log },
    { signal },
  );
}

/** Gathers the small files of every table, one after the other; throws the first failure after the last table. */
export async function compactAll(
  lake: Lake,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<void> {
  const failures: unknown[] = [];
  for (const name of await listTables(lake)) {
    try {
      const table = await openTable(lake, name);
      if (table === undefined) continue;
      const order = name.startsWith('bronze.') ? { orderBy: BRONZE_ORDER } : {};
      const { filesBefore, filesAfter } = await optimizeTable(lake, table, { ...order, signal });
      if (filesBefore > 0) log.info({ table: name, filesBefore, filesAfter }, 'compacted');
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ table: name, err: error }, 'not compacted; the other tables are');
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

if (import.meta.main) {
  await runProcess('jobs', (context) => runJobs(paymentContent, context));
}
