import { setTimeout as wait } from 'node:timers/promises';
import { armCrashPoint } from '../../../infra/core/crashPoint.ts';
import { runProcess } from '../../../infra/core/lifecycle.ts';
import { openGrid } from '../../../infra/grid.ts';
import { openLake } from '../../../infra/lake.ts';
import { contentOf } from '../testContent.ts';

/** The task `grid` of `jobs` without its schedule, back to back. */
await runProcess('grid', async ({ config, log, signal }) => {
  await using lake = await openLake(config, { log, crashPoint: armCrashPoint(config.crashAt) });
  const run = await openGrid(lake, contentOf(process.env['TIDEMARK_TEST_CONTENT']), config);
  while (!signal.aborted) {
    await run({ signal });
    await wait(100, undefined, { signal }).catch(() => undefined);
  }
});
