import { copyFileSync, existsSync, renameSync, statSync, truncateSync } from 'node:fs';

export interface RotationLimits {
  readonly maxBytes: number;
  /** Older copies kept beside the log: `.1` is the newest. */
  readonly copies: number;
}

export const LOG_ROTATION: RotationLimits = { maxBytes: 10 * 2 ** 20, copies: 3 };

/**
 * Moves the content of a log over its limit to `<log>.1`, after shifting older copies. The writers
 * hold the file open in append mode, so it is copied and cut to nothing rather than renamed: they go
 * on in the same file, and need no signal. Lines written between copy and cut are lost; the
 * alternative, a pipe through the supervisor, would break all writers when the supervisor dies.
 * Returns whether it rotated.
 */
export function rotateLog(logFile: string, limits: RotationLimits): boolean {
  if (!existsSync(logFile) || statSync(logFile).size <= limits.maxBytes) return false;
  for (let copy = limits.copies - 1; copy >= 1; copy -= 1) {
    if (existsSync(`${logFile}.${copy}`)) renameSync(`${logFile}.${copy}`, `${logFile}.${copy + 1}`);
  }
  copyFileSync(logFile, `${logFile}.1`);
  truncateSync(logFile);
  return true;
}
