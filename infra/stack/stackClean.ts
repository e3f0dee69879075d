import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Config } from '../core/config.ts';
import { stackPaths } from './stackPaths.ts';

/**
 * Removes all state below the home directory of a stack that is down, the lake included; keeps the
 * cache. Returns the names of what was removed.
 */
export function removeState(config: Config): string[] {
  const { homeDir, cacheDir } = stackPaths(config.homeDir);
  if (!existsSync(homeDir)) return [];
  const doomed = readdirSync(homeDir).filter((name) => name !== basename(cacheDir));
  for (const name of doomed) rmSync(join(homeDir, name), { recursive: true, force: true });
  return doomed.sort();
}
