import { join } from 'node:path';
import { DOMAINS } from '../../ingestion/simulator/domains.ts';
import { liveLabelDelay } from '../../ingestion/simulator/labelling.ts';
import { createLiveStream, NO_IRREGULARITIES } from '../../ingestion/simulator/liveStream.ts';
import { DEFAULT_ACTORS, DEFAULT_FRAUD_RATE } from '../../ingestion/simulator/options.ts';
import { openPendingLabels } from '../../ingestion/simulator/pendingLabels.ts';
import { runSimulation } from '../../ingestion/simulator/simulation.ts';
import { createWorld } from '../../ingestion/simulator/world.ts';
import { systemClock } from '../core/clock.ts';
import { connectProducer } from '../core/kafka.ts';
import { runProcess } from '../core/lifecycle.ts';
import { stackPaths } from '../stack/stackPaths.ts';

/**
 * An event a second over the three domains: visible, not heavy, and not so much denser than history that
 * every window of the last day would be one that the model has never seen.
 */
const RATE_PER_MINUTE = 60;

/** The people of the history that `up` lands. */
const SEED = 42;

const LABEL_DELAY_MS = 2 * 60_000;

/** Endless gentle traffic, and the labels of history as they become known. */
await runProcess('demo', async ({ config, log, signal }) => {
  const paths = stackPaths(config.homeDir);
  const pending = openPendingLabels(paths.historyDir, join(paths.runDir, 'demo.json'));
  // Not disposed: after SIGTERM nothing may wait for a broker that is away.
  const producer = await connectProducer({ brokers: config.kafka.brokers, clientId: 'tidemark-demo', log });
  const startMs = systemClock.nowMs();
  const stream = createLiveStream({
    world: createWorld({ seed: SEED, actorsPerDomain: DEFAULT_ACTORS }),
    domains: DOMAINS,
    ratePerMinute: RATE_PER_MINUTE,
    startMs,
    fraudRate: DEFAULT_FRAUD_RATE,
    labelDelay: liveLabelDelay(LABEL_DELAY_MS),
    irregularities: NO_IRREGULARITIES,
  });
  log.info({ ratePerMinute: RATE_PER_MINUTE, pending: pending.labels.length }, 'traffic begins');
  const report = await runSimulation(
    {
      stream,
      ratePerMinute: RATE_PER_MINUTE,
      startMs,
      labels: true,
      pendingLabels: pending.labels,
      onProgress: () => pending.remember(systemClock.nowMs()),
    },
    { producer, clock: systemClock, monotonicMs: () => performance.now(), log },
    { signal },
  );
  log.info(report, 'traffic ends');
});
