import { spawn } from 'node:child_process';
import { join } from 'node:path';

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The crash point that killed it, when one did. */
  readonly point: string | undefined;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;
}

export interface Child {
  readonly pid: number;
  readonly ended: Promise<Ending>;
  /** What it wrote to stderr so far (the last part of it). */
  output(): string;
  kill(signal: NodeJS.Signals): void;
}

const KEPT_CHARACTERS = 20_000;

/** Starts `test/support/processes/<name>.ts` on this Node with only `env` besides PATH. */
export function startChild(name: string, env: Readonly<Record<string, string>>): Child {
  const script = join(import.meta.dirname, 'processes', `${name}.ts`);
  const child = spawn(process.execPath, ['--disable-warning=TimeoutNegativeWarning', script], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-KEPT_CHARACTERS);
  });
  const ended = new Promise<Ending>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const point = /^crash point (\S+) hit$/m.exec(stderr)?.[1];
      resolve({ code, signal, point, stderr });
    });
  });
  return {
    pid: child.pid ?? -1,
    ended,
    output: () => stderr,
    kill: (signal) => {
      child.kill(signal);
    },
  };
}
