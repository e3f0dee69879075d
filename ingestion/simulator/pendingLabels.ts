import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { readHistory, readPendingLabels } from './history.ts';
import type { LabelRecord } from './labelling.ts';

export interface PendingLabels {
  readonly labels: readonly LabelRecord[];
  /** Remembers that all labels due a while before `nowMs` have been sent. */
  remember(nowMs: number): void;
}

/** A send may be retried for this long; labels of this time are sent again after a restart. */
const UNCERTAIN_MS = 5 * 60_000;

const REMEMBER_EVERY_MS = 60_000;

/**
 * The labels of the history in `historyDir` that are still to be sent: at least once each, a repeated
 * one has the same id and revision. Progress is kept in `progressFile`. No history: none.
 */
export function openPendingLabels(historyDir: string, progressFile: string): PendingLabels {
  const history = readHistory(historyDir);
  if (history === undefined) return { labels: [], remember: () => {} };
  const sentUntilMs = readProgress(progressFile, history.endMs);
  let rememberedMs = sentUntilMs;
  return {
    labels: readPendingLabels(historyDir).filter(({ availableAtMs }) => availableAtMs > sentUntilMs),
    remember: (nowMs) => {
      const progress: Progress = { historyEndMs: history.endMs, sentUntilMs: nowMs - UNCERTAIN_MS };
      if (progress.sentUntilMs < rememberedMs + REMEMBER_EVERY_MS) return;
      rememberedMs = progress.sentUntilMs;
      mkdirSync(dirname(progressFile), { recursive: true });
      writeFileSync(`${progressFile}.tmp`, JSON.stringify(progress));
      renameSync(`${progressFile}.tmp`, progressFile);
    },
  };
}

// === Helpers ===

interface Progress {
  readonly historyEndMs: number;
  readonly sentUntilMs: number;
}

function readProgress(path: string, historyEndMs: number): number {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return historyEndMs;
    throw error;
  }
  const progress = JSON.parse(text) as Progress;
  return progress.historyEndMs === historyEndMs ? progress.sentUntilMs : historyEndMs;
}
