import { classifyError } from '../../infra/core/errors.ts';
import type { Clock, CrashPoint, Logger } from '../../infra/core/ports.ts';
import type { Postgres } from '../../infra/core/postgres.ts';
import { jitteredBackoff } from '../../infra/core/retry.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { consumeDecisions } from './alertConsumer.ts';
import { openAlertStore } from './alertStore.ts';
import { relayOutbox } from './outboxRelay.ts';
import { type LandedVerdict, restoreVerdicts } from './restoreVerdicts.ts';

export interface AlertsDeps {
  readonly postgresUrl: string;
  readonly brokers: readonly string[];
  readonly groupId: string;
  /** Contract of the topic of decisions. */
  readonly decisions: Contract;
  /** What the lake holds of verdicts, for a database that is new. */
  readonly readVerdicts: () => Promise<readonly LandedVerdict[]>;
  /** Decisions about one key within a window are one alert, in milliseconds. */
  readonly windowMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly crashPoint: CrashPoint;
}

/**
 * Alerts from decisions, and verdicts to Kafka, until the signal. Neither ends for want of PostgreSQL or
 * Kafka: each starts again, where PostgreSQL says that it was. What only a person can mend is logged with
 * its remedy, again and again.
 */
export async function runAlerts(deps: AlertsDeps, { signal }: { signal: AbortSignal }): Promise<void> {
  const { brokers, groupId, decisions: contract, windowMs, clock, log, crashPoint } = deps;
  const common = { brokers, clock, crashPoint };
  const consume = (postgres: Postgres, to: Logger) =>
    consumeDecisions({ ...common, postgres, groupId, contract, windowMs, log: to }, signal);
  const relay = async (postgres: Postgres, to: Logger) => {
    await restoreVerdicts(postgres, deps.readVerdicts);
    await relayOutbox({ ...common, postgres, log: to }, signal);
  };
  await Promise.all([
    keepRunning(deps, { name: 'alert consumer', log: log.child({ loop: 'alerts' }), body: consume, signal }),
    keepRunning(deps, { name: 'outbox relay', log: log.child({ loop: 'outbox' }), body: relay, signal }),
  ]);
}

// === Helpers ===

const BACKOFF = { initialMs: 500, maxDelayMs: 10_000, totalTimeoutMs: Number.POSITIVE_INFINITY };
/** Between two looks whether a person has mended what no waiting mends, in milliseconds. */
const UNMENDED_MS = 30_000;
/** A loop that has run for this long has recovered, in milliseconds. */
const RECOVERED_MS = 30_000;

interface Loop {
  readonly name: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
  body(postgres: Postgres, log: Logger): Promise<void>;
}

async function keepRunning({ postgresUrl, clock }: AlertsDeps, loop: Loop): Promise<void> {
  const { log, signal } = loop;
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const startedMs = clock.nowMs();
    try {
      await using postgres = await openAlertStore(postgresUrl, log);
      await loop.body(postgres, log);
    } catch (error) {
      if (signal.aborted) return;
      if (clock.nowMs() - startedMs > RECOVERED_MS) attempt = 0;
      await clock.sleep(report(loop, error, attempt), signal).catch(() => undefined);
    }
  }
}

/** Says why a loop has stopped; returns after how many milliseconds it starts again. */
function report({ name, log }: Loop, error: unknown, attempt: number): number {
  const { code, message, remedy, retry } = classifyError(error);
  const fields = { loop: name, code, remedy, err: error };
  if (retry === 'never') {
    log.error(fields, message);
    return UNMENDED_MS;
  }
  // Once an outage.
  if (attempt === 0) log.warn(fields, 'stopped; trying again');
  return jitteredBackoff(attempt, BACKOFF);
}
