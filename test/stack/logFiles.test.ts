import { appendFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../infra/core/clock.ts';
import { followLogs, lastLines, selectLogs } from '../../infra/stack/logFiles.ts';
import { logFileOf, stackPaths } from '../../infra/stack/stackPaths.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tidemark-logs-'));
  mkdirSync(stackPaths(home).logsDir);
  for (const name of ['kafka', 'ingest']) writeFileSync(logFileOf(stackPaths(home), name), 'one\ntwo\n');
  writeFileSync(`${logFileOf(stackPaths(home), 'kafka')}.1`, 'older\n');
});
afterEach(() => rmSync(home, { recursive: true }));

test('all logs or the named ones, without rotated copies; an unknown name lists the known', () => {
  const names = (wanted: string[]) => selectLogs(stackPaths(home), wanted).map(({ name }) => name);
  expect(names([]).sort()).toEqual(['ingest', 'kafka']);
  expect(names(['kafka'])).toEqual(['kafka']);
  expect(() => names(['kafak'])).toThrow(expect.objectContaining({ code: 'STACK_NO_SUCH_LOG' }));
});

test('the last lines, and none when none are asked for', () => {
  const [log] = selectLogs(stackPaths(home), ['kafka']);
  expect(lastLines(log?.file ?? '', 1)).toEqual(['two']);
  expect(lastLines(log?.file ?? '', 0)).toEqual([]);
});

test('following shows whole added lines, also after the log was rotated', async () => {
  const [log] = selectLogs(stackPaths(home), ['kafka']);
  const file = log?.file ?? '';
  const seen: string[] = [];
  const controller = new AbortController();
  const following = followLogs([{ name: 'kafka', file }], (_log, line) => seen.push(line), {
    clock: { ...systemClock, sleep: () => systemClock.sleep(1, controller.signal) },
    signal: controller.signal,
  });
  appendFileSync(file, 'three\nfo');
  await expect.poll(() => seen).toEqual(['three']);
  appendFileSync(file, 'ur\n');
  await expect.poll(() => seen).toEqual(['three', 'four']);
  truncateSync(file);
  appendFileSync(file, 'five\n');
  await expect.poll(() => seen).toEqual(['three', 'four', 'five']);
  controller.abort();
  await following;
});
