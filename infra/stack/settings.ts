import { createHash } from 'node:crypto';
import type { Config } from '../core/config.ts';

/** Equal for equal configurations: `up` restarts a stack that runs with other settings. Pure. */
export function settingsHash(config: Config): string {
  return createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 16);
}
