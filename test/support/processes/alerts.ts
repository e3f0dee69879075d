import { runAlertLoops } from '../../../infra/alerts.ts';
import { armCrashPoint } from '../../../infra/core/crashPoint.ts';
import { runProcess } from '../../../infra/core/lifecycle.ts';
import { openLake } from '../../../infra/lake.ts';
import { contentOf } from '../testContent.ts';

/** The alert loops of `jobs` on content of the test. */
await runProcess('alerts', async (context) => {
  const { config, log } = context;
  await using lake = await openLake(config, { log, crashPoint: armCrashPoint(config.crashAt) });
  await runAlertLoops(lake, contentOf(process.env['TIDEMARK_TEST_CONTENT']), context);
});
