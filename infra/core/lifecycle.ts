import { type Config, loadConfig } from './config.ts';
import { classifyError } from './errors.ts';
import { createLogger } from './logger.ts';
import type { Logger } from './ports.ts';

export interface ProcessContext {
  readonly config: Config;
  readonly log: Logger;
  /** Aborted by SIGTERM or SIGINT: finish what is in hand, commit, return. */
  readonly signal: AbortSignal;
}

/** The longest that a process may take to stop after SIGTERM before it is ended, in milliseconds. */
const STOP_WITHIN_MS = 30_000;

/**
 * Runs the body of a process: reads the configuration, turns SIGTERM and SIGINT into an abort, and
 * exits 0 when the body returns or throws the signal's reason, 1 with one log line (code, message, remedy) when it throws.
 */
export async function runProcess(
  name: string,
  body: (context: ProcessContext) => Promise<void>,
): Promise<never> {
  const config = loadConfig(process.env);
  const log = createLogger({ name, level: config.logLevel });
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping');
      controller.abort(new DOMException(`received ${signal}`, 'AbortError'));
      setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
    });
  }
  try {
    log.info({ pid: process.pid }, 'starting');
    await body({ config, log, signal: controller.signal });
    log.info({}, 'stopped');
  } catch (error) {
    // Work that gives up because of the signal has stopped as asked.
    if (controller.signal.aborted && error === controller.signal.reason) {
      log.info({}, 'stopped');
      process.exit(0);
    }
    const { code, message, remedy } = classifyError(error);
    log.error({ code, remedy, err: error }, message);
    process.exit(1);
  }
  process.exit(0);
}
