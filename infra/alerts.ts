import type { Lake } from '../lakehouse/lake.ts';
import { readLandedVerdicts } from '../scoring/alerts/restoreVerdicts.ts';
import { runAlerts } from '../scoring/alerts/runAlerts.ts';
import { type Content, DECISIONS_TABLE, LABELS_TABLE } from './content.ts';
import { systemClock } from './core/clock.ts';
import type { ProcessContext } from './core/lifecycle.ts';

/** Alerts from decisions, and verdicts to Kafka, until the signal; nothing where the content has no decisions. */
export async function runAlertLoops(
  lake: Lake,
  content: Content,
  { config, log, signal }: ProcessContext,
): Promise<void> {
  const decisions = content.contracts.find(({ table }) => table === DECISIONS_TABLE);
  if (decisions === undefined) return;
  const { brokers, groupId } = config.kafka;
  await runAlerts(
    {
      decisions,
      brokers,
      log,
      postgresUrl: config.postgres.url,
      groupId: `${groupId}-alerts`,
      windowMs: config.alerts.windowMs,
      clock: systemClock,
      crashPoint: lake.crashPoint,
      readVerdicts: () => readLandedVerdicts(lake, LABELS_TABLE),
    },
    { signal },
  );
}
