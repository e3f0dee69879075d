/** Structured log: a constant message, data in fields. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

/** Time as a dependency: wall-clock milliseconds since 1970-01-01 UTC, and an abortable wait. */
export interface Clock {
  nowMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/**
 * A numbered place where a test may kill the process (`SIGKILL`), named for the effect around it.
 * In production it does nothing.
 */
export type CrashPoint = (name: string) => void;
