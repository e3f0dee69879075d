import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { formatReport, reportStack } from '../../infra/stack/processReport.ts';
import { identifyProcess } from '../../infra/stack/processTable.ts';
import { stackPaths } from '../../infra/stack/stackPaths.ts';
import {
  type ProcessState,
  readLiveState,
  readStackState,
  type StackState,
  writeStackState,
} from '../../infra/stack/stackState.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tidemark-state-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const me = identifyProcess(process.pid)!;
const dead = { pid: process.pid, startedAt: 'another boot' };

function stateWith(supervisor: StackState['supervisor'], processes: readonly Partial<ProcessState>[]) {
  const defaults = { sinceMs: 0, nice: 0, restarts: 0, where: 'here', logFile: 'x.log' };
  return {
    ...{ supervisor, startedAtMs: 0, settings: 's' },
    processes: processes.map(
      (one) => ({ name: 'a', status: 'running', ...defaults, ...one }) as ProcessState,
    ),
  };
}

function report(state: StackState) {
  writeStackState(stackPaths(home).stateFile, state);
  return reportStack(loadConfig({ TIDEMARK_HOME: home }));
}

test('what was written is read, and nothing else stays beside it', () => {
  const { stateFile, runDir } = stackPaths(home);
  const state = stateWith(me, [{ problem: { code: 'X', message: 'y', remedy: 'z' }, identity: me }]);
  writeStackState(stateFile, state);
  expect(readStackState(stateFile)).toEqual(state);
  expect(readdirSync(runDir)).toEqual(['stack.json']);
});

test('a state of a supervisor whose pid now belongs to another process is not live', () => {
  const { stateFile } = stackPaths(home);
  expect(readLiveState(stateFile)).toBeUndefined();
  writeStackState(stateFile, stateWith(dead, []));
  expect(readLiveState(stateFile)).toBeUndefined();
  writeStackState(stateFile, stateWith(me, []));
  expect(readLiveState(stateFile)).toBeDefined();
});

test('a state file of another shape is refused, not guessed at', () => {
  const { stateFile } = stackPaths(home);
  writeStackState(stateFile, stateWith(me, []));
  writeFileSync(stateFile, '{"supervisor":1}');
  expect(() => readStackState(stateFile)).toThrow();
});

test('the stack is up when all processes run, degraded when one of them died unseen', () => {
  expect(report(stateWith(me, [{ identity: me }])).status).toBe('up');
  const degraded = report(stateWith(me, [{ identity: me }, { name: 'b', identity: dead }]));
  expect(degraded.status).toBe('degraded');
  expect(degraded.processes.map(({ status, pid }) => [status, pid])).toEqual([
    ['running', process.pid],
    ['dead', null],
  ]);
});

test('without a supervisor only the processes that outlived it are shown', () => {
  const down = report(stateWith(dead, [{ identity: me }, { name: 'b', identity: dead }]));
  expect([down.status, down.processes.map(({ name }) => name)]).toEqual(['down', ['a']]);
});

test('a process that waits says for what', () => {
  const waiting = { status: 'waiting', problem: { code: 'WAITING', message: 'waits for kafka' } } as const;
  const table = formatReport(report(stateWith(me, [waiting])), 90_000);
  expect(table).toMatch(/a\s+waiting\s+90 s\s+-\s+0\s+0\s+-\s+here \(waits for kafka\)/);
});
