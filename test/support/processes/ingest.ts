import { runProcess } from '../../../infra/core/lifecycle.ts';
import { runIngest } from '../../../infra/processes/ingest.ts';
import { contentOf } from '../testContent.ts';

/** The production ingest process on content of the test. */
await runProcess('ingest', (context) => runIngest(contentOf(process.env['TIDEMARK_TEST_CONTENT']), context));
