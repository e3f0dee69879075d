import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { isAlive } from './processTable.ts';

const identity = z.strictObject({ pid: z.number(), startedAt: z.string() });

const problem = z.strictObject({ code: z.string(), message: z.string(), remedy: z.string().optional() });

const processState = z.strictObject({
  name: z.string(),
  /**
   * `waiting` for what it needs, `starting`, `running` (its probe said ready), `backoff` between two
   * starts, `stopped` because it was asked to.
   */
  status: z.enum(['waiting', 'starting', 'running', 'backoff', 'stopped']),
  sinceMs: z.number(),
  /** Of the newest start; absent before the first. */
  identity: identity.optional(),
  nice: z.number(),
  /** Starts beyond the first. */
  restarts: z.number(),
  /** What it waits for, or why it ended last. */
  problem: problem.optional(),
  where: z.string(),
  logFile: z.string(),
});

const stackState = z.strictObject({
  supervisor: identity,
  startedAtMs: z.number(),
  /** Hash of the settings that the processes were started with. */
  settings: z.string(),
  processes: z.array(processState),
});

export type ProcessState = z.infer<typeof processState>;
export type StackState = z.infer<typeof stackState>;
export type StackProblem = z.infer<typeof problem>;

/** What the supervisor wrote last; undefined when none ever ran here. It may be dead: `readLiveState`. */
export function readStackState(stateFile: string): StackState | undefined {
  if (!existsSync(stateFile)) return undefined;
  return stackState.parse(JSON.parse(readFileSync(stateFile, 'utf8')));
}

/** Replaces the state at once: a reader sees the old one or the new one. */
export function writeStackState(stateFile: string, state: StackState): void {
  mkdirSync(dirname(stateFile), { recursive: true });
  writeFileSync(`${stateFile}.new`, JSON.stringify(state, null, 1));
  renameSync(`${stateFile}.new`, stateFile);
}

/** The state of a supervisor that still runs; undefined when there is none. */
export function readLiveState(stateFile: string): StackState | undefined {
  const state = readStackState(stateFile);
  return state !== undefined && isAlive(state.supervisor) ? state : undefined;
}

/** The state with what is really there: a process whose identity is gone does not run. */
export function observedStatus(process: ProcessState): ProcessState['status'] | 'dead' {
  const shouldLive = process.status === 'running' || process.status === 'starting';
  if (!shouldLive) return process.status;
  return process.identity !== undefined && isAlive(process.identity) ? process.status : 'dead';
}
