import { randomUUID } from 'node:crypto';
import { accessSync, closeSync, constants, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Memory that is a file: what is written there never touches a disk. */
const MEMORY_DIR = '/dev/shm';

const BUFFER_BYTES = 262_144;

/**
 * A file of lines on its way to DuckDB, in memory where the machine allows. It has no name: nothing is
 * left behind when the process dies. Writes are synchronous copies into memory.
 */
export interface LineFile extends Disposable {
  /** Path for readers of this process, valid until disposal. Everything written before is there. */
  flush(): string;
  /** A line: the members of `head`, an unfinished object, and those of `object`. hot path. */
  writeMerged(head: string, object: Uint8Array): void;
  /** A line of its own, without a newline. */
  writeText(line: string): void;
  readonly lines: number;
  readonly bytes: number;
  readonly longestLine: number;
}

/** `scratchDir` is used where there is no memory file system. */
export function openLineFile(scratchDir: string): LineFile {
  return new BufferedLineFile(openNameless(scratchDir));
}

// === Helpers ===

class BufferedLineFile implements LineFile {
  lines = 0;
  bytes = 0;
  longestLine = 0;
  readonly #fd: number;
  #buffer: Buffer | undefined;
  #used = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  writeMerged(head: string, object: Uint8Array): void {
    const buffer = this.#room(head.length * MAX_UTF8 + object.length + 1);
    const middle = this.#used + buffer.write(head, this.#used, 'utf8');
    buffer.set(object, middle);
    buffer[middle] = COMMA;
    this.#endLine(buffer, middle + object.length);
  }

  writeText(line: string): void {
    const buffer = this.#room(line.length * MAX_UTF8 + 1);
    this.#endLine(buffer, this.#used + buffer.write(line, this.#used, 'utf8'));
  }

  flush(): string {
    this.#drain();
    this.#buffer = undefined;
    return `/proc/self/fd/${this.#fd}`;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  #endLine(buffer: Buffer, at: number): void {
    buffer[at] = NEWLINE;
    const bytes = at + 1 - this.#used;
    this.#used = at + 1;
    this.lines += 1;
    this.bytes += bytes;
    if (bytes > this.longestLine) this.longestLine = bytes;
  }

  #room(bytes: number): Buffer {
    if (this.#buffer !== undefined && this.#used + bytes <= this.#buffer.length) return this.#buffer;
    this.#drain();
    if (this.#buffer === undefined || this.#buffer.length < bytes) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(bytes, BUFFER_BYTES));
    }
    return this.#buffer;
  }

  #drain(): void {
    if (this.#buffer === undefined) return;
    for (let done = 0; done < this.#used; ) {
      done += writeSync(this.#fd, this.#buffer, done, this.#used - done);
    }
    this.#used = 0;
  }
}

const NEWLINE = 0x0a;
/** Takes the place of the object's opening brace. */
const COMMA = 0x2c;
/** Bytes that UTF-8 needs at most for one unit of a JavaScript string. */
const MAX_UTF8 = 3;

function openNameless(scratchDir: string): number {
  const path = join(isWritable(MEMORY_DIR) ? MEMORY_DIR : scratchDir, `tidemark-${randomUUID()}.ndjson`);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return fd;
}

function isWritable(dir: string): boolean {
  try {
    accessSync(dir, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
