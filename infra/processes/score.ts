import { runScoring } from '../../scoring/runtime/scoring.ts';
import { type Content, paymentContent } from '../content.ts';
import { armCrashPoint } from '../core/crashPoint.ts';
import { type ProcessContext, runProcess } from '../core/lifecycle.ts';
import { openLake } from '../lake.ts';
import { openScorer } from '../scorer.ts';

/** Decides the records of a content. Any number of these processes share the work. */
export async function runScore(content: Content, { config, log, signal }: ProcessContext): Promise<void> {
  await using lake = await openLake(config, { log, crashPoint: armCrashPoint(config.crashAt) });
  await runScoring(await openScorer(lake, content, { config, log }), { signal });
}

if (import.meta.main) {
  await runProcess('score', (context) => runScore(paymentContent, context));
}
