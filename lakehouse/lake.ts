import type { Duckdb } from '../infra/core/duckdb.ts';
import type { Clock, CrashPoint, Logger } from '../infra/core/ports.ts';
import type { ObjectStore } from './storage.ts';

/** What every operation on tables needs. One a process; built by `infra/lake.ts`. */
export interface Lake {
  readonly store: ObjectStore;
  readonly duckdb: Duckdb;
  readonly clock: Clock;
  readonly log: Logger;
  readonly crashPoint: CrashPoint;
  /** Local directory for files that are being written; this process's own. */
  readonly stagingDir: string;
}
