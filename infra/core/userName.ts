import { userInfo } from 'node:os';

/** Who runs this process, for logs of what people did; a user without an entry on this machine by number. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
