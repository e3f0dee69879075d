import type { Lake } from '../../lakehouse/lake.ts';
import { openRegistry } from '../../scoring/registry.ts';
import type { GridRunner } from '../../transforms/grid/runGrid.ts';
import { isComplete } from '../../transforms/report.ts';
import { runModels } from '../../transforms/run.ts';
import { runSchedule, type ScheduledTask } from '../../transforms/schedule.ts';
import { runAlertLoops } from '../alerts.ts';
import { compactAll } from '../compaction.ts';
import { type Content, paymentContent } from '../content.ts';
import { systemClock } from '../core/clock.ts';
import { armCrashPoint } from '../core/crashPoint.ts';
import { type ProcessContext, runProcess } from '../core/lifecycle.ts';
import { openGrid } from '../grid.ts';
import { openLake } from '../lake.ts';
import { trainingTask } from '../trainingTask.ts';
import { openTransforms } from '../transforms.ts';

/** The work of the clock, scheduled in PostgreSQL, and alerts beside it. */
export async function runJobs(content: Content, context: ProcessContext): Promise<void> {
  const { config, log, signal } = context;
  await using lake = await openLake(config, { log, crashPoint: armCrashPoint(config.crashAt) });
  const tasks = [
    transformsTask(lake, content, context),
    gridTask(lake, content, context),
    {
      name: 'compaction',
      everyMs: config.schedule.compactionMs,
      run: (stop: AbortSignal) => compactAll(lake, { log, signal: stop }),
    },
    trainingTask({ registry: openRegistry(lake), clock: systemClock, log }, config.schedule),
  ];
  await Promise.all([
    runSchedule({ postgresUrl: config.postgres.url, tasks, clock: systemClock, log }, { signal }),
    runAlertLoops(lake, content, context),
  ]);
}

function transformsTask(lake: Lake, content: Content, { config, log }: ProcessContext): ScheduledTask {
  const run = async (stop: AbortSignal) => {
    // Models are read at each run: an edited file counts from the next one on.
    const report = await runModels(await openTransforms(lake, content, log), { signal: stop });
    const { outcome, release } = report;
    log.info({ outcome, release, complete: isComplete(report) }, 'run done');
  };
  return { name: 'transforms', everyMs: config.schedule.transformsMs, run };
}

function gridTask(lake: Lake, content: Content, { config, log }: ProcessContext): ScheduledTask {
  // One for all steps: it remembers the closings that it has read.
  let runGrid: GridRunner | undefined;
  const run = async (stop: AbortSignal) => {
    // A history may be landing, file after file: who lands it says by `tidemark run` that it is complete.
    runGrid ??= await openGrid(lake, content, config, { beginsWithFiles: false });
    const { outcome, release, closedToMs = null } = await runGrid({ signal: stop });
    if (outcome === 'published') log.info({ release, closedToMs }, 'grid point published');
  };
  // Looking whether a grid point is due costs a listing.
  return { name: 'grid', everyMs: Math.min(config.grid.gridMs / 2, 30_000), run };
}

if (import.meta.main) {
  await runProcess('jobs', (context) => runJobs(paymentContent, context));
}
