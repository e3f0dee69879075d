import { setTimeout as wait } from 'node:timers/promises';
import { compactAll } from '../../../infra/compaction.ts';
import { armCrashPoint } from '../../../infra/core/crashPoint.ts';
import { runProcess } from '../../../infra/core/lifecycle.ts';
import { openLake } from '../../../infra/lake.ts';
import { openTransforms } from '../../../infra/transforms.ts';
import { runModels } from '../../../transforms/run.ts';
import { contentOf } from '../testContent.ts';

/** The work of `jobs` without its schedule, back to back: transforms, and compaction now and then. */
await runProcess('jobs', async ({ config, log, signal }) => {
  await using lake = await openLake(config, { log, crashPoint: armCrashPoint(config.crashAt) });
  for (let run = 1; !signal.aborted; run += 1) {
    const deps = await openTransforms(lake, contentOf(process.env['TIDEMARK_TEST_CONTENT']), log);
    await runModels(deps, { signal });
    if (run % 3 === 0) await compactAll(lake, { log, signal });
    await wait(200, undefined, { signal }).catch(() => undefined);
  }
});
