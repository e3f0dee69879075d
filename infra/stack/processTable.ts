import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * What Linux knows about processes, read from /proc. A pid alone names nothing: it is used again
 * after its process ended, so an identity is the pid with the time at which the process began.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot, and the boot: together unique for a pid. */
  readonly startedAt: string;
}

/** The identity of the live process `pid`; undefined when there is none (a zombie is none). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const stat = readProc(pid, 'stat');
  const started = stat === undefined ? undefined : parseStartTicks(stat);
  return started === undefined ? undefined : { pid, startedAt: `${bootId()}:${started}` };
}

/** Whether exactly this process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startedAt === identity.startedAt;
}

/** Start ticks of a line of /proc/<pid>/stat; undefined for a zombie or a dead process. Pure. */
export function parseStartTicks(stat: string): string | undefined {
  // The command name is in parentheses and may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Pids of all processes whose environment holds `name=value`. Other users' processes are not seen. */
export function findByEnvironment(name: string, value: string): number[] {
  const needle = `${name}=${value}`;
  return allPids().filter((pid) => readProc(pid, 'environ')?.split('\0').includes(needle) === true);
}

/** Pids of all processes that work in `directory`. */
export function findByWorkingDirectory(directory: string): number[] {
  return allPids().filter((pid) => readLink(`/proc/${pid}/cwd`) === directory);
}

/** The command line of `pid` with spaces between its words; empty when it is gone or hidden. */
export function commandLine(pid: number): string {
  return (readProc(pid, 'cmdline') ?? '').replaceAll('\0', ' ').trim();
}

/** Pids of all live processes. */
export function allPids(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);
}

/** Where a link of /proc points; undefined when its process is gone or belongs to somebody else. */
export function readLink(path: string): string | undefined {
  return absentWhenGone(() => readlinkSync(path));
}

// === Helpers ===

function readProc(pid: number, file: string): string | undefined {
  return absentWhenGone(() => readFileSync(`/proc/${pid}/${file}`, 'utf8'));
}

/** Processes end while we look at them: that is an answer, all else is an error. */
function absentWhenGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(code)) return undefined;
    throw error;
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().slice(0, 8);
}
