import { runProcess } from '../../../infra/core/lifecycle.ts';
import { runAlertLoops } from '../../../infra/processes/jobs.ts';
import { contentOf } from '../testContent.ts';

/** The alert loops of `jobs` on content of the test. */
await runProcess('alerts', (context) =>
  runAlertLoops(contentOf(process.env['TIDEMARK_TEST_CONTENT']), context),
);
