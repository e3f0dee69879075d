import { runProcess } from '../../../infra/core/lifecycle.ts';
import { runScore } from '../../../infra/processes/score.ts';
import { contentOf } from '../testContent.ts';

/** The production scorer on content of the test. */
await runProcess('score', (context) => runScore(contentOf(process.env['TIDEMARK_TEST_CONTENT']), context));
