import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { fault } from '../core/errorCatalog.ts';
import { findExecutable } from './executables.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from './processTable.ts';

/** How one long-lived process is started, judged ready and stopped. */
export interface ServerCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the environment of the starting process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Output is appended here. */
  readonly logFile: string;
  readonly stopSignal: NodeJS.Signals;
  /** Cheap probe, called again and again until it says true. */
  isReady(): Promise<boolean>;
}

export interface LaunchOptions {
  /** 0 to 19; larger yields more to others. */
  readonly nice?: number;
  /** For tests: the kernel stops the process when the starting process dies. */
  readonly dieWithParent?: boolean;
  readonly readyWithinMs?: number;
}

export interface RunningServer extends AsyncDisposable {
  readonly pid: number;
  readonly logFile: string;
  /** Resolves when the probe says so. Rejects: STACK_SERVICE_EXITED, STACK_SERVICE_NOT_READY. */
  readonly ready: Promise<void>;
  /** How it ended, such as `exit code 1` or `SIGKILL`; never rejects. */
  readonly exited: Promise<string>;
  /** Asks it to stop, ends it after 20 s; resolves when it is gone. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

const STOP_WITHIN_MS = 20_000;
const PROBE_EVERY_MS = 50;

/** Starts `server` in a process group of its own; returns at once, before it is ready. */
export function launch(server: ServerCommand, options: LaunchOptions = {}): RunningServer {
  const [command, ...args] = wrapCommand(server, options);
  const log = openSync(server.logFile, 'a');
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', log, log],
    ...(server.cwd === undefined ? {} : { cwd: server.cwd }),
    env: { ...process.env, ...server.env },
  });
  closeSync(log);
  // A command that could not be started has no pid; `exited` says why.
  const pid = child.pid ?? 0;
  const exited = exitOf(child).then((outcome) => {
    // Its own children would hold ports, files and memory beside the next life of the process.
    if (pid !== 0) send(-pid, 'SIGKILL');
    return outcome;
  });
  const ready = waitUntilReady(server, exited, options.readyWithinMs ?? 60_000);
  ready.catch(() => {}); // Whoever awaits it gets the rejection; nobody has to.
  const end = async (signal: NodeJS.Signals) => {
    if (pid !== 0) signalGroup(pid, signal);
    await exited;
  };
  const stop = async () => {
    const overdue = setTimeout(() => signalGroup(pid, 'SIGKILL'), STOP_WITHIN_MS);
    await end(server.stopSignal);
    clearTimeout(overdue);
  };
  return {
    pid,
    logFile: server.logFile,
    ready,
    exited,
    stop,
    kill: () => end('SIGKILL'),
    [Symbol.asyncDispose]: stop,
  };
}

/** Ends a process that is not our child: `signal` first, SIGKILL after 20 s. */
export async function endProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<void> {
  const deadlineMs = Date.now() + STOP_WITHIN_MS;
  let next: NodeJS.Signals | undefined = signal;
  while (isAlive(identity)) {
    if (next !== undefined) signalGroup(identity.pid, next);
    next = Date.now() > deadlineMs ? 'SIGKILL' : undefined;
    await wait(PROBE_EVERY_MS);
  }
}

/** The last words of a log: our own processes end with a JSON line, others with what they like. */
export function lastWords(logFile: string): string {
  const lines = existsSync(logFile) ? readFileSync(logFile, 'utf8').trim().split('\n') : [];
  return parseLastWords(lines);
}

/** Message and remedy of a last line of ours, else the last lines as they are. Pure. */
export function parseLastWords(lines: readonly string[]): string {
  const last = lines.at(-1) ?? '';
  const { msg, remedy } = last.startsWith('{') ? parseJsonObject(last) : {};
  if (typeof msg !== 'string') return lines.slice(-4).join(' | ');
  return typeof remedy === 'string' ? `${msg}; ${remedy}` : msg;
}

/** The identity of a server that runs, for a state file. */
export function identityOf(server: RunningServer): ProcessIdentity | undefined {
  return server.pid === 0 ? undefined : identifyProcess(server.pid);
}

// === Helpers ===

/** An object without fields when the line was cut, as by a crash in the middle of it. */
function parseJsonObject(text: string): { msg?: unknown; remedy?: unknown } {
  try {
    return JSON.parse(text) as { msg?: unknown; remedy?: unknown };
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** `nice` and `setpriv` replace themselves by the command, so the pid stays the one we know. */
function wrapCommand(server: ServerCommand, options: LaunchOptions): [string, ...string[]] {
  const { nice = 0, dieWithParent = false } = options;
  const words: string[] = [];
  if (nice > 0) words.push('nice', '-n', String(nice));
  if (dieWithParent && findExecutable('setpriv') !== undefined) words.push('setpriv', '--pdeathsig', 'KILL');
  return [...words, server.command, ...server.args] as [string, ...string[]];
}

/** Signals the whole group when `pid` leads one, else the process alone; a dead one is no error. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  if (!send(-pid, signal)) send(pid, signal);
}

/** Whether there was such a process, or, below zero, such a group. */
function send(target: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(target, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    child.once('error', (error) => resolve(error.message));
  });
}

async function waitUntilReady(
  server: ServerCommand,
  exited: Promise<string>,
  withinMs: number,
): Promise<void> {
  const deadlineMs = Date.now() + withinMs;
  let outcome: string | undefined;
  void exited.then((how) => {
    outcome = how;
  });
  const service = server.name;
  const logFile = server.logFile;
  while (!(await server.isReady())) {
    if (outcome !== undefined) {
      throw fault('STACK_SERVICE_EXITED', { service, outcome, logFile, said: lastWords(logFile) });
    }
    if (Date.now() > deadlineMs) {
      throw fault('STACK_SERVICE_NOT_READY', { service, seconds: withinMs / 1000, logFile });
    }
    await wait(PROBE_EVERY_MS);
  }
}
