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
  /** One line of three parts; the parts hold no newline. hot path. */
  writeLine(head: string, body: Uint8Array | undefined, tail: string): void;
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

  writeLine(head: string, body: Uint8Array | undefined, tail: string): void {
    // Three bytes is the most that UTF-8 needs for a character of JavaScript.
    const bound = (head.length + tail.length) * 3 + (body?.length ?? 0) + 1;
    const buffer = this.#room(bound);
    const start = this.#used;
    let at = start + buffer.write(head, start, 'utf8');
    if (body !== undefined) {
      buffer.set(body, at);
      at += body.length;
    }
    at += buffer.write(tail, at, 'utf8');
    buffer[at] = NEWLINE;
    this.#used = at + 1;
    this.lines += 1;
    this.bytes += this.#used - start;
    if (this.#used - start > this.longestLine) this.longestLine = this.#used - start;
  }

  flush(): string {
    this.#drain();
    this.#buffer = undefined;
    return `/proc/self/fd/${this.#fd}`;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
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
