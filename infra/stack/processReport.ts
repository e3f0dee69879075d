import { existsSync, readFileSync } from 'node:fs';
import type { Config } from '../core/config.ts';
import { alignColumns, humanDuration } from '../core/text.ts';
import { stackPaths } from './stackPaths.ts';
import { observedStatus, type ProcessState, readLiveState, readStackState } from './stackState.ts';

/** One supervised process as people and scripts see it; keys are stable. */
interface ProcessReport {
  readonly name: string;
  readonly status: ProcessState['status'] | 'dead';
  readonly pid: number | null;
  readonly nice: number;
  readonly since: string;
  readonly restarts: number;
  readonly rss_bytes: number | null;
  readonly where: string;
  readonly problem: string | null;
  readonly log_file: string;
}

export interface StackReport {
  /** `up`: all run. `degraded`: some do not. `down`: no supervisor. */
  readonly status: 'up' | 'degraded' | 'down';
  readonly supervisor_pid: number | null;
  readonly processes: readonly ProcessReport[];
}

/** What runs where, from the supervisor's state file and /proc. */
export function reportStack(config: Config): StackReport {
  const { stateFile } = stackPaths(config.homeDir);
  const state = readLiveState(stateFile);
  if (state === undefined) {
    return { status: 'down', supervisor_pid: null, processes: left(readStackState(stateFile)?.processes) };
  }
  const processes = state.processes.map(reportProcess);
  const allRun = processes.every(({ status }) => status === 'running');
  return { status: allRun ? 'up' : 'degraded', supervisor_pid: state.supervisor.pid, processes };
}

/** The report as a table for a terminal. Pure. */
export function formatReport(report: StackReport, nowMs: number): string {
  const header = ['PROCESS', 'STATUS', 'FOR', 'PID', 'NICE', 'RESTARTS', 'MEMORY', 'WHERE'];
  const rows = report.processes.map((process) => [
    process.name,
    process.status,
    humanDuration(nowMs - Date.parse(process.since)),
    String(process.pid ?? '-'),
    String(process.nice),
    String(process.restarts),
    process.rss_bytes === null ? '-' : `${Math.round(process.rss_bytes / 2 ** 20)} MiB`,
    process.problem === null ? process.where : `${process.where} (${process.problem})`,
  ]);
  return alignColumns(header, rows);
}

// === Helpers ===

/** After a kill of the supervisor some processes may live on: they are shown, the dead are not. */
function left(processes: readonly ProcessState[] = []): ProcessReport[] {
  return processes.map(reportProcess).filter(({ pid }) => pid !== null);
}

function reportProcess(process: ProcessState): ProcessReport {
  const status = observedStatus(process);
  const lives = status === 'running' || status === 'starting';
  const pid = lives ? (process.identity?.pid ?? null) : null;
  const showsProblem = status !== 'running' && process.problem !== undefined;
  return {
    name: process.name,
    status,
    pid,
    nice: process.nice,
    since: new Date(process.sinceMs).toISOString(),
    restarts: process.restarts,
    rss_bytes: pid === null ? null : residentBytes(pid),
    where: process.where,
    problem: showsProblem ? (process.problem?.message ?? null) : null,
    log_file: process.logFile,
  };
}

function residentBytes(pid: number): number | null {
  const file = `/proc/${pid}/status`;
  const match = existsSync(file) ? /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(file, 'utf8')) : null;
  return match === null ? null : Number(match[1]) * 1024;
}
