import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { fault } from '../core/errorCatalog.ts';
import type { Clock } from '../core/ports.ts';
import { logFileOf, type StackPaths } from './stackPaths.ts';

export interface LogView {
  readonly name: string;
  readonly file: string;
}

const LOOK_EVERY_MS = 300;
const CHUNK_BYTES = 1 << 20;

/** The logs of `names`, or all. @throws STACK_NO_SUCH_LOG that names those that are there */
export function selectLogs(paths: StackPaths, names: readonly string[]): LogView[] {
  const there = existsSync(paths.logsDir) ? readdirSync(paths.logsDir) : [];
  const known = there.filter((file) => file.endsWith('.log')).map((file) => basename(file, '.log'));
  for (const name of names) {
    if (!known.includes(name)) throw fault('STACK_NO_SUCH_LOG', { name, known: known.join(', ') || 'none' });
  }
  return known
    .filter((name) => names.length === 0 || names.includes(name))
    .map((name) => ({ name, file: logFileOf(paths, name) }));
}

/** The last `count` lines. */
export function lastLines(file: string, count: number): string[] {
  if (count === 0) return [];
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count);
}

/** Calls `onLine` for each line that is added, until the abort; a log that was rotated goes on. */
export async function followLogs(
  logs: readonly LogView[],
  onLine: (log: LogView, line: string) => void,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  const tails = logs.map((log) => ({ log, position: statSync(log.file).size, rest: '' }));
  while (!signal.aborted) {
    for (const tail of tails) {
      const added = readFrom(tail.log.file, tail.position);
      tail.position = added.end;
      const lines = (tail.rest + added.text).split('\n');
      tail.rest = lines.pop() ?? '';
      for (const line of lines) onLine(tail.log, line);
    }
    await clock.sleep(LOOK_EVERY_MS, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

// === Helpers ===

/** At most a chunk from `position`; from the start when the file was cut below it. */
function readFrom(file: string, position: number): { text: string; end: number } {
  const { size } = statSync(file);
  const from = size < position ? 0 : position;
  if (size === from) return { text: '', end: from };
  const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, size - from));
  const fd = openSync(file, 'r');
  const read = readSync(fd, buffer, 0, buffer.length, from);
  closeSync(fd);
  return { text: buffer.toString('utf8', 0, read), end: from + read };
}
