import { join } from 'node:path';
import { findByEnvironment, findByWorkingDirectory, identifyProcess } from './processTable.ts';
import { endProcess } from './serverProcess.ts';
import type { StackPaths } from './stackPaths.ts';

/** By this variable a process, the supervisor included, is known to belong to the stack of a home. */
export const STACK_MARKER = 'TIDEMARK_STACK';

/**
 * Stops what an earlier supervisor of this home left behind when it was killed; returns the pids.
 * They are known by the marker in their environment, so a pid that was used again is never touched.
 * PostgreSQL writes over its environment; its processes work in its data directory.
 */
export async function stopOrphans(paths: StackPaths, except: readonly number[] = []): Promise<number[]> {
  const postgres = findByWorkingDirectory(join(paths.postgresDir, 'data'));
  const marked = findByEnvironment(STACK_MARKER, paths.homeDir);
  const spared = new Set([...except, process.pid]);
  const orphans = [...new Set([...postgres, ...marked])].filter((pid) => !spared.has(pid));
  await Promise.all(
    orphans.map(async (pid) => {
      const identity = identifyProcess(pid);
      if (identity !== undefined) await endProcess(identity, postgres.includes(pid) ? 'SIGINT' : 'SIGTERM');
    }),
  );
  return orphans;
}
