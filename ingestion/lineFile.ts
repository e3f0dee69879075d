import { randomUUID } from 'node:crypto';
import { accessSync, closeSync, constants, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Memory that is a file: what is written there never touches a disk. */
const MEMORY_DIR = '/dev/shm';

const BUFFER_BYTES = 262_144;
/** A buffer grows up to its size: there may be very many files of a line or two. */
export const FIRST_BUFFER_BYTES = 4_096;

/**
 * A file of lines on its way to DuckDB, in memory where the machine allows. It has no name: nothing is
 * left behind when the process dies. Writes are synchronous copies into memory. Only what fills a
 * buffer, or is flushed, needs a descriptor until its disposal.
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
  return new BufferedLineFile(scratchDir);
}

// === Helpers ===

class BufferedLineFile implements LineFile {
  lines = 0;
  bytes = 0;
  longestLine = 0;
  readonly #scratchDir: string;
  #fd: number | undefined;
  #buffer: Buffer | undefined;
  #used = 0;

  constructor(scratchDir: string) {
    this.#scratchDir = scratchDir;
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
    const fd = this.#drain();
    this.#buffer = undefined;
    return `/proc/self/fd/${fd}`;
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#buffer = undefined;
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
    const size = this.#buffer?.length ?? 0;
    if (this.#buffer !== undefined && this.#used + bytes <= size) return this.#buffer;
    if (this.#used + bytes > BUFFER_BYTES) this.#drain();
    const wanted = Math.max(this.#used + bytes, Math.min(size * 8, BUFFER_BYTES), FIRST_BUFFER_BYTES);
    if (this.#buffer !== undefined && size >= wanted) return this.#buffer;
    const larger = Buffer.allocUnsafeSlow(wanted);
    this.#buffer?.copy(larger, 0, 0, this.#used);
    this.#buffer = larger;
    return larger;
  }

  #drain(): number {
    this.#fd ??= openNameless(this.#scratchDir);
    if (this.#buffer === undefined) return this.#fd;
    for (let done = 0; done < this.#used; ) {
      done += writeSync(this.#fd, this.#buffer, done, this.#used - done);
    }
    this.#used = 0;
    return this.#fd;
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
