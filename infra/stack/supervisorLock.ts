import { createHash } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * At most one supervisor a home directory. The lock is a listening socket in Linux's abstract name
 * space: the kernel gives it to exactly one process and takes it back when that process dies, in
 * whatever way, so there is no stale lock to judge.
 */
export async function takeSupervisorLock(
  homeDir: string,
): Promise<{ kind: 'taken'; lock: AsyncDisposable } | { kind: 'held' }> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve({ kind: 'held' });
      else reject(error);
    });
    server.listen({ path: lockName(homeDir) }, () => {
      const release = () => new Promise<void>((closed) => server.close(() => closed()));
      resolve({ kind: 'taken', lock: { [Symbol.asyncDispose]: release } });
    });
  });
}

// === Helpers ===

/** A name that begins with a zero byte is no file; it is cut at 108 bytes, hence the hash. */
function lockName(homeDir: string): string {
  return `\0tidemark-${createHash('sha256').update(homeDir).digest('hex').slice(0, 32)}`;
}
