import { fault } from '../infra/core/errorCatalog.ts';
import type { Lake } from './lake.ts';
import { newestRelease, type Release, readRelease } from './release.ts';
import { listTables } from './table.ts';

/**
 * What a reader of one release can name: tables and model views at the release's versions; `ops`
 * tables, and bronze tables that no model reads, at their heads; and what the gateway adds to them.
 */
export interface SqlCatalog {
  /** Undefined before the first release. */
  readonly release: number | undefined;
  /** Qualified names, sorted; without the `…__quarantine` twins. */
  readonly names: readonly string[];
  /** By qualified name, whatever its case. @throws SQL_NO_RELEASE, SQL_TABLE_UNKNOWN */
  find(name: string): Readable;
  /** All bronze tables, as `find` gives them. */
  bronze(): readonly ReadableTable[];
}

export interface ReadableTable {
  readonly kind: 'table';
  readonly name: string;
  /** The head when undefined. */
  readonly version: number | undefined;
  /** Rows that an audit has set aside are hidden, or the only ones shown. */
  readonly quarantine: 'hidden' | 'shown';
}

export type Readable =
  | ReadableTable
  | { readonly kind: 'view'; readonly name: string; readonly sql: string }
  /** The bad rows of all bronze tables. */
  | { readonly kind: 'deadLetters'; readonly name: string }
  /** The list of tables itself. */
  | { readonly kind: 'tables'; readonly name: string };

export const SCHEMAS = ['bronze', 'silver', 'gold', 'ops'] as const;

/** Suffix of the twin of an audited table that shows the rows set aside. */
const QUARANTINE = '__quarantine';

/** @throws LAKE_RELEASE_UNKNOWN when `releaseNumber` is given and not there */
export async function openCatalog(lake: Lake, releaseNumber?: number): Promise<SqlCatalog> {
  const release = await chosenRelease(lake, releaseNumber);
  const readables = new Map<string, Readable>();
  for (const name of await listTables(lake)) {
    if (/^(bronze|ops)\./.test(name)) readables.set(name.toLowerCase(), atVersion(name, undefined));
  }
  for (const [name, version] of Object.entries(release?.tables ?? {})) {
    readables.set(name.toLowerCase(), atVersion(name, version));
  }
  for (const [name, sql] of Object.entries(release?.views ?? {})) {
    readables.set(name.toLowerCase(), { kind: 'view', name, sql });
  }
  const bronze = [...readables.values()].filter(isBronzeTable);
  readables.set('bronze.dead_letters', { kind: 'deadLetters', name: 'bronze.dead_letters' });
  readables.set('ops.tables', { kind: 'tables', name: 'ops.tables' });
  const names = [...readables.values()].map(({ name }) => name).toSorted();
  return {
    release: release?.number,
    names,
    find: (name) => findReadable({ readables, names, release }, name),
    bronze: () => bronze,
  };
}

/** The names of `known` that resemble `name`, best first; at most three. Pure. */
export function nearestNames(name: string, known: readonly string[]): string[] {
  const [schema, bare] = partsOf(name);
  return known
    .map((candidate) => {
      const [candidateSchema, candidateBare] = partsOf(candidate);
      const edits = editDistance(bare, candidateBare) + (schema === candidateSchema ? 0 : 0.5);
      return { candidate, edits, limit: Math.max(1.5, candidateBare.length / 3) };
    })
    .filter(({ edits, limit }) => edits <= limit)
    .toSorted((a, b) => a.edits - b.edits || a.candidate.localeCompare(b.candidate))
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

// === Helpers ===

async function chosenRelease(lake: Lake, number: number | undefined): Promise<Release | undefined> {
  const newest = await newestRelease(lake.store);
  if (number === undefined || number === newest?.number) return newest;
  const release = await readRelease(lake.store, number);
  if (release !== undefined) return release;
  throw fault('LAKE_RELEASE_UNKNOWN', { release: number, newest: newest?.number ?? 'none yet' });
}

function atVersion(name: string, version: number | undefined): ReadableTable {
  return { kind: 'table', name, version, quarantine: 'hidden' };
}

function isBronzeTable(readable: Readable): readable is ReadableTable {
  return readable.kind === 'table' && readable.name.startsWith('bronze.');
}

function findReadable(
  catalog: {
    readables: ReadonlyMap<string, Readable>;
    names: readonly string[];
    release: Release | undefined;
  },
  name: string,
): Readable {
  const key = name.toLowerCase();
  const found = catalog.readables.get(key);
  if (found !== undefined) return found;
  const audited = key.endsWith(QUARANTINE)
    ? catalog.readables.get(key.slice(0, -QUARANTINE.length))
    : undefined;
  if (audited?.kind === 'table') {
    return { ...audited, name: `${audited.name}${QUARANTINE}`, quarantine: 'shown' };
  }
  if (catalog.release === undefined && /^(silver|gold)\./.test(key)) {
    throw fault('SQL_NO_RELEASE', { table: name });
  }
  const near = nearestNames(name, catalog.names);
  const nearest = near.length > 0 ? `did you mean ${near.join(' or ')}?` : 'nothing is named like it';
  throw fault('SQL_TABLE_UNKNOWN', { table: name, nearest, caret: '' });
}

function partsOf(name: string): [schema: string, bare: string] {
  const dot = name.indexOf('.');
  return [name.slice(0, Math.max(0, dot)).toLowerCase(), name.slice(dot + 1).toLowerCase()];
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, char] of [...a].entries()) {
    const current = [i + 1];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (previous[j - 1] ?? 0) + (char === b[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
