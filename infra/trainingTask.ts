import type { Registry } from '../scoring/registry.ts';
import type { ScheduledTask } from '../transforms/schedule.ts';
import { classifyError } from './core/errors.ts';
import type { Clock, Logger } from './core/ports.ts';
import { runCli } from './stack/cliChild.ts';

interface TaskDeps {
  readonly registry: Pick<Registry, 'versions'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Trains once in a process of its own. */
  readonly train?: (signal: AbortSignal) => Promise<unknown>;
}

/** How often it is looked whether a training is due; a look is one listing. */
const LOOK_EVERY_MS = 5 * 60_000;
/** After a start other work comes first. */
const SETTLE_MS = 3_600_000;

/**
 * Trains when the newest model and the last attempt of this process are older than the schedule, and its start
 * is an hour ago: a restart is no reason to train, and however often a process starts, training comes to
 * its turn. A training that failed is not tried again at once.
 */
export function trainingTask(
  { registry, clock, log, train = trainInChild }: TaskDeps,
  { trainingMs }: { readonly trainingMs: number },
): ScheduledTask {
  let lastMs = clock.nowMs() + Math.min(trainingMs, SETTLE_MS) - trainingMs;
  return {
    name: 'training',
    everyMs: Math.min(trainingMs, LOOK_EVERY_MS),
    run: async (signal) => {
      const newestMs = timeOf((await registry.versions()).at(-1));
      if (clock.nowMs() < Math.max(lastMs, newestMs) + trainingMs) return;
      lastMs = clock.nowMs();
      try {
        log.info({ report: await train(signal) }, 'trained');
      } catch (error) {
        signal.throwIfAborted();
        // Repeating it at once would train on the same data; the champion goes on deciding.
        log.error({ ...classifyError(error), err: error }, 'not trained; the next try is on schedule');
      }
    },
  };
}

// === Helpers ===

async function trainInChild(signal: AbortSignal): Promise<unknown> {
  const { card, promoted, reason, seconds, peak_mib } = JSON.parse(
    await runCli(['train', '--json', '--by', 'schedule'], signal),
  );
  return { version: card.version, promoted, reason, seconds, peak_mib };
}

/** T of a version, from its name; −∞ when there is none. */
function timeOf(version = ''): number {
  const iso = version.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-.*$/, '$1-$2-$3T$4:$5:$6Z');
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? Number.NEGATIVE_INFINITY : ms;
}
