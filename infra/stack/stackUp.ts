import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../core/config.ts';
import { fault } from '../core/errorCatalog.ts';
import type { Clock } from '../core/ports.ts';
import { beginSeeding, landFirstHistory, makeHistory } from './firstHistory.ts';
import { STACK_MARKER } from './orphans.ts';
import { planProcesses } from './processPlan.ts';
import { settingsHash } from './settings.ts';
import { bringDown } from './stackDown.ts';
import { logFileOf, stackPaths } from './stackPaths.ts';
import { type ProcessState, readLiveState, type StackState } from './stackState.ts';

export interface UpDeps {
  readonly config: Config;
  readonly clock: Clock;
  /** One line of progress. */
  readonly say: (line: string) => void;
}

/** How long one process may take to get ready, and how often it may fail on the way. */
const READY_WITHIN_MS = 120_000;
const FAILURES_ALLOWED = 2;
const LOOK_EVERY_MS = 100;

/**
 * Brings the stack up, from whatever state it is in; returns when all of it runs:
 *   what runs with other settings is stopped → supervisor → services and landing, while the first
 *   history is made → history lands and is transformed → scheduled jobs and traffic begin
 * A second call finds everything there and changes nothing. When it fails, it stops what it started.
 */
export async function bringUp(deps: UpDeps, outer: { signal: AbortSignal }): Promise<StackState> {
  const running = await reuseSupervisor(deps, outer.signal);
  const seeding = await beginSeeding(deps.config, { mayBegin: !running });
  const heldBack = seeding ? heldBackProcesses(deps.config) : [];
  const attempt = new AbortController();
  const watch = { deps, signal: AbortSignal.any([outer.signal, attempt.signal]), said: new Set<string>() };
  const seeded = seeding ? makeHistory(deps, watch.signal) : undefined;
  seeded?.catch(() => {}); // It is awaited below, when the services run; until then it may fail.
  try {
    if (!running) startSupervisor(deps.config);
    await waitForProcesses(watch, ({ name }) => !heldBack.includes(name));
    if (seeded !== undefined) await landFirstHistory(deps, await seeded, watch.signal);
    return await waitForProcesses(watch, () => true);
  } catch (error) {
    attempt.abort();
    if (!running) await bringDown(deps);
    throw error;
  }
}

// === Helpers ===

/** Whether a supervisor with our settings runs; one with others is stopped. */
async function reuseSupervisor(deps: UpDeps, signal: AbortSignal): Promise<boolean> {
  signal.throwIfAborted();
  const state = readLiveState(stackPaths(deps.config.homeDir).stateFile);
  if (state === undefined) return false;
  if (state.settings === settingsHash(deps.config)) return true;
  deps.say('it runs with other settings: stopping it first');
  await bringDown(deps);
  return false;
}

function heldBackProcesses(config: Config): string[] {
  return planProcesses(config)
    .filter((spec) => spec.heldBackBy !== undefined)
    .map((spec) => spec.name);
}

/** Detached: it outlives this command and the terminal. */
function startSupervisor(config: Config): void {
  const paths = stackPaths(config.homeDir);
  mkdirSync(paths.logsDir, { recursive: true });
  const log = openSync(logFileOf(paths, 'supervisor'), 'a');
  const file = join(import.meta.dirname, '..', 'processes', 'supervisor.ts');
  const child = spawn(process.execPath, [file], {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, [STACK_MARKER]: config.homeDir },
  });
  closeSync(log);
  child.unref();
}

interface Watch {
  readonly deps: UpDeps;
  readonly signal: AbortSignal;
  /** Processes that were already said to run. */
  readonly said: Set<string>;
}

/** Returns when all `wanted` processes run; says each one that got ready. @throws STACK_NOT_UP */
async function waitForProcesses(
  { deps: { config, clock, say }, signal, said }: Watch,
  wanted: (process: ProcessState) => boolean,
): Promise<StackState> {
  const { stateFile } = stackPaths(config.homeDir);
  const deadlineMs = clock.nowMs() + READY_WITHIN_MS;
  for (;;) {
    const state = readLiveState(stateFile);
    const processes = (state?.processes ?? []).filter(wanted);
    for (const process of processes) {
      refuseHopeless(process);
      if (process.status === 'running' && !said.has(process.name)) {
        said.add(process.name);
        say(`${process.name} runs: ${process.where}`);
      }
    }
    if (state !== undefined && processes.every(({ status }) => status === 'running')) return state;
    if (clock.nowMs() > deadlineMs) throw notUp(processes.find(({ status }) => status !== 'running'));
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}

/** A busy port stays busy, and what failed at each of several starts will go on failing. */
function refuseHopeless(process: ProcessState): void {
  const hopeless = process.problem?.code === 'STACK_PORT_BUSY' || process.restarts >= FAILURES_ALLOWED;
  if (process.status === 'backoff' && hopeless) throw notUp(process);
}

function notUp(process: ProcessState | undefined): Error {
  return fault('STACK_NOT_UP', {
    service: process?.name ?? 'the supervisor',
    problem: process?.problem?.message ?? 'it was not ready in time',
    advice: process?.problem?.remedy ?? `read ${process?.logFile ?? 'the logs (tidemark logs supervisor)'}`,
  });
}
