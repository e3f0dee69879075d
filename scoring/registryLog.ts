import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { fault } from '../infra/core/errorCatalog.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { versionText } from '../lakehouse/logPath.ts';
import { putOnce } from '../lakehouse/putOnce.ts';

/** What a registry needs of a lake. */
export type RegistryLake = Pick<Lake, 'store' | 'clock' | 'crashPoint'>;

export const ALIASES = ['champion', 'challenger'] as const;
/** `champion` decides, `challenger` is scored beside it. */
export type Alias = (typeof ALIASES)[number];

/** One entry of the log of aliases; the newest of an alias holds. */
export interface AliasEntry {
  /** Tells our entry from an equal one of somebody else. */
  readonly id: string;
  readonly alias: Alias;
  /** Null: the alias points at nothing. */
  readonly version: string | null;
  /** A rollback takes back the newest promotion that is not taken back yet. */
  readonly move: 'promote' | 'rollback';
  /** ISO-8601. */
  readonly at: string;
  readonly by: string;
  readonly reason: string;
}

/** What a writer says; the log adds the time. */
export type AliasChange = Pick<AliasEntry, 'alias' | 'version' | 'move' | 'by' | 'reason'>;

/** A log of put-if-absent files: entry n is `_models/_log/<n as 20 digits>.json`, from 1 on without gaps. */
export interface AliasLog {
  /** All entries, oldest first. Reads only what came since the last call. @throws MODEL_LOG_CORRUPT */
  read(): Promise<readonly AliasEntry[]>;
  /**
   * Writes `change` as the entry after the first `seen`. `taken`: somebody else wrote one since; read and
   * decide again.
   */
  append(change: AliasChange, seen: number): Promise<'written' | 'taken'>;
}

export function openAliasLog(lake: RegistryLake): AliasLog {
  const { store, clock, crashPoint } = lake;
  const entries: AliasEntry[] = [];
  return {
    read: async () => {
      // From a copy on: two readers at once would otherwise add an entry twice.
      const from = entries.length;
      const found: AliasEntry[] = [];
      for await (const { key } of store.list(LOG, keyOf(from))) {
        if (key !== keyOf(from + found.length + 1)) throw corrupt(key, 'an entry before it is missing');
        found.push(parseEntry(key, await store.read(key)));
      }
      entries.splice(from, found.length, ...found);
      return [...entries];
    },
    append: async (change, seen) => {
      const entry = { ...change, id: randomUUID(), at: new Date(clock.nowMs()).toISOString() };
      const key = keyOf(seen + 1);
      crashPoint('before-alias-put');
      // COMMIT POINT: from here on every reader follows the alias.
      const there = await putOnce(lake, key, new TextEncoder().encode(`${JSON.stringify(entry)}\n`));
      crashPoint('after-alias-put');
      return parseEntry(key, there).id === entry.id ? 'written' : 'taken';
    },
  };
}

// === Helpers ===

const LOG = '_models/_log/';

const entrySchema: z.ZodType<AliasEntry> = z.object({
  id: z.string(),
  alias: z.enum(ALIASES),
  version: z.string().nullable(),
  move: z.enum(['promote', 'rollback']),
  at: z.string(),
  by: z.string(),
  reason: z.string(),
});

function keyOf(number: number): string {
  return `${LOG}${versionText(number)}.json`;
}

function parseEntry(key: string, bytes: Uint8Array | undefined): AliasEntry {
  if (bytes === undefined) throw corrupt(key, 'it is gone');
  try {
    return entrySchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    throw corrupt(key, String(error), error);
  }
}

function corrupt(key: string, detail: string, cause?: unknown) {
  return fault('MODEL_LOG_CORRUPT', { key, detail }, cause);
}
