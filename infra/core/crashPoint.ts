import { writeSync } from 'node:fs';
import type { CrashPoint } from './ports.ts';

/** The crash points of production: nothing happens. */
export const noCrash: CrashPoint = () => {};

/**
 * Crash points for tests: `name:n` kills the process with SIGKILL at the n-th passing of `name`
 * (from 1), after printing the point to stderr; `undefined` arms nothing. Other names pass.
 */
export function armCrashPoint(spec: string | undefined): CrashPoint {
  if (spec === undefined) return noCrash;
  const [target, nth = '1'] = spec.split(':');
  let left = Number(nth);
  return (name) => {
    if (name !== target) return;
    left -= 1;
    if (left > 0) return;
    writeSync(2, `crash point ${spec} hit\n`);
    process.kill(process.pid, 'SIGKILL');
  };
}
