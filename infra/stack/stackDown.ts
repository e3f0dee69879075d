import { rmSync } from 'node:fs';
import type { Config } from '../core/config.ts';
import type { Clock } from '../core/ports.ts';
import { stopOrphans } from './orphans.ts';
import { isAlive } from './processTable.ts';
import { stackPaths } from './stackPaths.ts';
import { readLiveState } from './stackState.ts';

/** How long the supervisor may take to stop all its processes in order, in milliseconds. */
const STOP_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 50;

/**
 * Stops the stack: SIGTERM to the supervisor, which stops its processes in order; SIGKILL after a
 * minute; then whatever is left of it. Returns whether anything ran. Doing it again is harmless.
 */
export async function bringDown(deps: { config: Config; clock: Clock }): Promise<boolean> {
  const paths = stackPaths(deps.config.homeDir);
  const state = readLiveState(paths.stateFile);
  if (state !== undefined) {
    process.kill(state.supervisor.pid, 'SIGTERM');
    const deadlineMs = deps.clock.nowMs() + STOP_WITHIN_MS;
    while (isAlive(state.supervisor)) {
      if (deps.clock.nowMs() > deadlineMs) process.kill(state.supervisor.pid, 'SIGKILL');
      await deps.clock.sleep(LOOK_EVERY_MS);
    }
  }
  const orphans = await stopOrphans(paths);
  rmSync(paths.stateFile, { force: true });
  return state !== undefined || orphans.length > 0;
}
