export interface FlushLimits {
  readonly maxBytes: number;
  readonly maxRows: number;
  readonly intervalMs: number;
}

/** Whether a batch is to be written now: it is full, or its first record has waited long enough. Pure; no I/O. */
export function shouldFlush(
  batch: { readonly bytes: number; readonly rows: number; readonly startedMs: number },
  limits: FlushLimits,
  nowMs: number,
): boolean {
  return (
    batch.bytes >= limits.maxBytes ||
    batch.rows >= limits.maxRows ||
    nowMs - batch.startedMs >= limits.intervalMs
  );
}
