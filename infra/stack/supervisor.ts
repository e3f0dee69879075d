import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fault } from '../core/errorCatalog.ts';
import { classifyError } from '../core/errors.ts';
import type { Clock, Logger } from '../core/ports.ts';
import { LOG_ROTATION, type RotationLimits, rotateLog } from './logRotation.ts';
import { STACK_MARKER } from './orphans.ts';
import { portHolder } from './portHolder.ts';
import type { ProcessSpec } from './processSpec.ts';
import { identifyProcess } from './processTable.ts';
import { countFailure, RESTART_POLICY, type RestartPolicy, restartDelayMs } from './restartPolicy.ts';
import { identityOf, lastWords, launch, type RunningServer } from './serverProcess.ts';
import { type ProcessState, type StackProblem, writeStackState } from './stackState.ts';

export interface SupervisorDeps {
  readonly specs: readonly ProcessSpec[];
  readonly homeDir: string;
  readonly stateFile: string;
  /** Hash of the settings, kept in the state file. */
  readonly settings: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly restartPolicy?: RestartPolicy;
  readonly rotation?: RotationLimits;
}

/** How often waiting processes look whether they may start, in milliseconds. */
const LOOK_EVERY_MS = 100;
const ROTATE_EVERY_MS = 5_000;

/**
 * Keeps the processes of `specs` running until `signal` aborts, then stops them, each after those
 * that need it:
 *   wait until needs are ready → start → probe until ready → wait for its end → pause → start again
 * Each change is written to the state file before the next step.
 */
export async function supervise(deps: SupervisorDeps, { signal }: { signal: AbortSignal }): Promise<void> {
  const board = createBoard(deps);
  const keepers = deps.specs.map((spec) => keepRunning({ spec, board, deps, signal }));
  await Promise.all([...keepers, rotateLogs(deps, signal)]);
}

// === Helpers ===

/** The shared picture: each process's state, and the servers that run now. */
interface Board {
  state(name: string): ProcessState;
  update(name: string, change: Partial<ProcessState>): void;
  /** Resolves when `name` was stopped for good. */
  stopped(name: string): Promise<void>;
  settle(name: string): void;
}

interface Keeper {
  readonly spec: ProcessSpec;
  readonly board: Board;
  readonly deps: SupervisorDeps;
  readonly signal: AbortSignal;
}

function createBoard({ specs, stateFile, settings, clock }: SupervisorDeps): Board {
  const supervisor = identifyProcess(process.pid);
  if (supervisor === undefined) throw new Error('this process is not in /proc');
  const startedAtMs = clock.nowMs();
  const states = new Map(specs.map((spec) => [spec.name, initialState(spec, startedAtMs)]));
  const ends = new Map(specs.map((spec) => [spec.name, Promise.withResolvers<void>()]));
  const write = () =>
    writeStackState(stateFile, { supervisor, startedAtMs, settings, processes: [...states.values()] });
  write();
  const state = (name: string) => {
    const found = states.get(name);
    if (found === undefined) throw new Error(`no process ${name} in the plan`);
    return found;
  };
  return {
    state,
    update: (name, change) => {
      const before = state(name);
      const moved = change.status !== undefined && change.status !== before.status;
      states.set(name, { ...before, ...(moved ? { sinceMs: clock.nowMs() } : {}), ...change });
      write();
    },
    stopped: async (name) => ends.get(name)?.promise,
    settle: (name) => ends.get(name)?.resolve(),
  };
}

function initialState(spec: ProcessSpec, nowMs: number): ProcessState {
  const { name, nice, where, logFile } = spec;
  return { name, status: 'waiting', sinceMs: nowMs, nice, restarts: 0, where, logFile };
}

async function keepRunning(keeper: Keeper): Promise<void> {
  const { spec, board, deps, signal } = keeper;
  const policy = deps.restartPolicy ?? RESTART_POLICY;
  let failures = 0;
  try {
    await untilAllowed(keeper);
    while (!signal.aborted) {
      const { ranMs, problem } = await runOnce(keeper);
      if (signal.aborted) break;
      failures = countFailure(failures, ranMs, policy);
      const delayMs = restartDelayMs(failures, policy);
      deps.log.warn({ process: spec.name, delayMs, ...problem }, 'a process ended; it is started again');
      board.update(spec.name, { status: 'backoff', problem, restarts: board.state(spec.name).restarts + 1 });
      await pause(deps.clock, delayMs, signal);
    }
  } finally {
    board.update(spec.name, { status: 'stopped' });
    board.settle(spec.name);
  }
}

/** One life of the process, from the check of its ports to its end. */
async function runOnce(keeper: Keeper): Promise<{ ranMs: number; problem: StackProblem }> {
  const { spec, board, deps, signal } = keeper;
  const life = new AbortController();
  let readyAtMs = deps.clock.nowMs();
  try {
    const server = start(keeper);
    const stopped = stopOnAbort(keeper, server, life.signal);
    await untilReady(server, stopped);
    readyAtMs = deps.clock.nowMs();
    if (!signal.aborted) board.update(spec.name, { status: 'running' });
    const outcome = await server.exited;
    if (signal.aborted) await stopped;
    const message = `it ended with ${outcome}: ${lastWords(spec.logFile)}`;
    const problem = { code: 'ENDED', message, remedy: `read ${spec.logFile}` };
    return { ranMs: deps.clock.nowMs() - readyAtMs, problem };
  } catch (error) {
    const { code, message, remedy } = classifyError(error);
    return { ranMs: 0, problem: { code, message, remedy } };
  } finally {
    life.abort();
  }
}

function start({ spec, board, deps }: Keeper): RunningServer {
  refuseBusyPorts(spec);
  mkdirSync(dirname(spec.logFile), { recursive: true });
  const command = spec.command();
  const env = { ...command.env, [STACK_MARKER]: deps.homeDir };
  const server = launch({ ...command, env }, { nice: spec.nice });
  board.update(spec.name, { status: 'starting', identity: identityOf(server) });
  return server;
}

/** A process that does not get ready is stopped, and its error goes on. */
async function untilReady(server: RunningServer, stopped: Promise<void>): Promise<void> {
  try {
    await Promise.race([server.ready, stopped]);
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Resolves when the abort came and the server has been stopped, after those that need it. */
async function stopOnAbort(keeper: Keeper, server: RunningServer, life: AbortSignal): Promise<void> {
  const { spec, board, deps, signal } = keeper;
  await untilAborted(signal, life);
  const dependents = deps.specs.filter((other) => other.needs.includes(spec.name));
  await Promise.all(dependents.map((other) => board.stopped(other.name)));
  deps.log.info({ process: spec.name }, 'stopping a process');
  await server.stop();
}

function refuseBusyPorts(spec: ProcessSpec): void {
  for (const { port, setting } of spec.ports) {
    const holder = portHolder(port);
    if (holder !== undefined) throw fault('STACK_PORT_BUSY', { service: spec.name, port, holder, setting });
  }
}

async function untilAllowed({ spec, board, deps, signal }: Keeper): Promise<void> {
  while (!signal.aborted) {
    const reason = whyWait(spec, board);
    if (reason === undefined) break;
    if (board.state(spec.name).problem?.message !== reason) {
      board.update(spec.name, { problem: { code: 'WAITING', message: reason } });
    }
    await pause(deps.clock, LOOK_EVERY_MS, signal);
  }
  board.update(spec.name, { problem: undefined });
}

function whyWait(spec: ProcessSpec, board: Board): string | undefined {
  const missing = spec.needs.filter((name) => board.state(name).status !== 'running');
  if (missing.length > 0) return `waits for ${missing.join(' and ')}`;
  const heldBack = spec.heldBackBy !== undefined && existsSync(spec.heldBackBy);
  return heldBack ? 'waits for the first history to land' : undefined;
}

async function rotateLogs(deps: SupervisorDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const { logFile } of deps.specs) rotateLog(logFile, deps.rotation ?? LOG_ROTATION);
    await pause(deps.clock, ROTATE_EVERY_MS, signal);
  }
}

/** Waits `ms`, or until the abort, which is no error here. */
async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Resolves at the abort of `signal`; listens no longer than `life`, after which it never resolves. */
function untilAborted(signal: AbortSignal, life: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true, signal: life });
  });
}
