import type { Contract } from '../../ingestion/contract.ts';
import { runLanding } from '../../ingestion/landing.ts';
import { type Content, paymentContent } from '../content.ts';
import { armCrashPoint } from '../core/crashPoint.ts';
import { type ProcessContext, runProcess } from '../core/lifecycle.ts';
import { openLake } from '../lake.ts';

/** Lands the topics of a content into bronze. Any number of these processes share the work. */
export async function runIngest(
  content: { readonly contracts: readonly Contract[] },
  { config, log, signal }: ProcessContext,
): Promise<void> {
  await using lake = await openLake(config, { log, crashPoint: armCrashPoint(config.crashAt) });
  await runLanding(
    { lake, contracts: content.contracts, kafka: config.kafka, limits: config.flush, log },
    { signal },
  );
}

if (import.meta.main) {
  const content: Content = paymentContent;
  await runProcess('ingest', (context) => runIngest(content, context));
}
