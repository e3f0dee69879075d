import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { rotateLog } from '../../infra/stack/logRotation.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tidemark-logs-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

test('a log at its limit stays, one byte more moves its content to .1', () => {
  const log = join(dir, 'x.log');
  writeFileSync(log, '1234');
  expect(rotateLog(log, { maxBytes: 4, copies: 2 })).toBe(false);
  appendFileSync(log, '5');
  expect(rotateLog(log, { maxBytes: 4, copies: 2 })).toBe(true);
  expect([readFileSync(log, 'utf8'), readFileSync(`${log}.1`, 'utf8')]).toEqual(['', '12345']);
});

test('older copies move up and the oldest is dropped', () => {
  const log = join(dir, 'x.log');
  for (const text of ['first', 'second', 'third']) {
    writeFileSync(log, text);
    rotateLog(log, { maxBytes: 1, copies: 2 });
  }
  expect([readFileSync(`${log}.1`, 'utf8'), readFileSync(`${log}.2`, 'utf8')]).toEqual(['third', 'second']);
  expect(existsSync(`${log}.3`)).toBe(false);
});

test('a writer that holds the log open goes on at the start of the emptied file', () => {
  const log = join(dir, 'x.log');
  const fd = openSync(log, 'a');
  writeSync(fd, 'before');
  rotateLog(log, { maxBytes: 1, copies: 1 });
  writeSync(fd, 'after');
  closeSync(fd);
  expect(readFileSync(log, 'utf8')).toBe('after');
});

test('a log that is not there yet is no error', () => {
  expect(rotateLog(join(dir, 'none.log'), { maxBytes: 1, copies: 1 })).toBe(false);
});
