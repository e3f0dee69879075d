import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { openDuckdb, type SqlSession, sqlText } from '../../infra/core/duckdb.ts';
import { type Domain, LABELS_TOPIC, TOPIC_OF } from './domains.ts';
import { HISTORY_LABEL_DELAY, type LabelRecord, labelsOf } from './labelling.ts';
import { type PastEvent, pastEvents } from './timeline.ts';
import { createWorld } from './world.ts';

/** What a history is a function of. */
export interface HistoryParameters {
  readonly seed: number;
  readonly days: number;
  /** The last moment of the history, in ms since 1970; must not lie in the future. */
  readonly endMs: number;
  /** Regulars a domain. */
  readonly actors: number;
  readonly domains: readonly Domain[];
  /** Share of the sequences that are frauds. */
  readonly fraudRate: number;
}

export interface HistoryOptions extends HistoryParameters {
  /** Gets one file a topic and a few more; what else is in it stays. */
  readonly dir: string;
}

interface HistoryFile {
  readonly topic: string;
  /** Parquet: `key` and `value` VARCHAR, `arrived_at` TIMESTAMPTZ, in order of arrival. */
  readonly path: string;
  readonly rows: number;
}

export interface History {
  readonly dir: string;
  readonly endMs: number;
  /** One a domain, then the labels that were known by `endMs`. */
  readonly files: readonly HistoryFile[];
}

/** Raised with each change of the generator (a test pins its output), so that old files are not taken for new ones. */
const GENERATOR_VERSION = 1;

/**
 * Writes what happened in the `days` before `endMs`: a Parquet file a topic for `land --from`, and the
 * labels that become known later. Files of the same parameters are left as they are (`written` false).
 */
export async function writeHistory(options: HistoryOptions): Promise<History & { written: boolean }> {
  const { dir, ...parameters } = options;
  const known = readManifest(dir);
  if (known !== undefined && known.parameters === parametersKey(parameters)) {
    return { ...historyOf(dir, known), written: false };
  }
  const scratchDir = join(dir, `.writing-${process.pid}`);
  mkdirSync(scratchDir, { recursive: true });
  try {
    const files = await writeFiles(parameters, scratchDir);
    const manifest = { parameters: parametersKey(parameters), endMs: parameters.endMs, files };
    rmSync(join(dir, MANIFEST), { force: true });
    for (const name of readdirSync(scratchDir)) renameSync(join(scratchDir, name), join(dir, name));
    writeFileSync(join(scratchDir, MANIFEST), JSON.stringify(manifest));
    renameSync(join(scratchDir, MANIFEST), join(dir, MANIFEST)); // COMMIT POINT: all other files are there
    return { ...historyOf(dir, manifest), written: true };
  } finally {
    rmSync(scratchDir, { recursive: true, force: true });
  }
}

/** The history in `dir`, or undefined when there is none. */
export function readHistory(dir: string): History | undefined {
  const manifest = readManifest(dir);
  return manifest === undefined ? undefined : historyOf(dir, manifest);
}

/**
 * The end of the history in `dir` when it has these parameters and ended at most `maxAgeMs` before
 * `nowMs`: whoever has no wish of his own takes it, and need not make another one.
 */
export function recentEndMs(
  dir: string,
  parameters: Omit<HistoryParameters, 'endMs'>,
  { nowMs, maxAgeMs }: { readonly nowMs: number; readonly maxAgeMs: number },
): number | undefined {
  const manifest = readManifest(dir);
  if (manifest === undefined || manifest.endMs > nowMs || manifest.endMs < nowMs - maxAgeMs) return undefined;
  const same = manifest.parameters === parametersKey({ ...parameters, endMs: manifest.endMs });
  return same ? manifest.endMs : undefined;
}

/** The labels that become known after the end of the history in `dir`, in this order. */
export function readPendingLabels(dir: string): LabelRecord[] {
  return readFileSync(join(dir, PENDING_LABELS), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LabelRecord);
}

// === Helpers ===

const MANIFEST = 'manifest.json';
const PENDING_LABELS = 'pending_labels.ndjson';

/** Memory of the Parquet writer. */
const DUCKDB_BYTES = 512 * 2 ** 20;

interface Manifest {
  readonly parameters: string;
  readonly endMs: number;
  readonly files: readonly { readonly topic: string; readonly rows: number }[];
}

interface ArrivedRecord {
  readonly key: string;
  readonly value: string;
  readonly arrivedAtMs: number;
}

function parametersKey({ seed, days, endMs, actors, domains, fraudRate }: HistoryParameters): string {
  return JSON.stringify({ version: GENERATOR_VERSION, seed, days, endMs, actors, domains, fraudRate });
}

function historyOf(dir: string, { endMs, files }: Manifest): History {
  return {
    dir,
    endMs,
    files: files.map(({ topic, rows }) => ({ topic, rows, path: join(dir, `${topic}.parquet`) })),
  };
}

function readManifest(dir: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, MANIFEST), 'utf8')) as Manifest;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeFiles(parameters: HistoryParameters, dir: string): Promise<Manifest['files']> {
  const { seed, actors, domains, days, endMs, fraudRate } = parameters;
  const world = createWorld({ seed, actorsPerDomain: actors });
  await using duckdb = await openDuckdb({ memoryBytes: DUCKDB_BYTES, threads: 1 });
  await using session = await duckdb.connect();
  const files: { topic: string; rows: number }[] = [];
  const labels: LabelRecord[] = [];
  for (const domain of domains) {
    const events = pastEvents({ world, domain, days, endMs, fraudRate });
    collectLabels(events, seed, labels);
    await writeParquet(session, { dir, topic: TOPIC_OF[domain], records: events });
    files.push({ topic: TOPIC_OF[domain], rows: events.length });
  }
  labels.sort((x, y) => x.availableAtMs - y.availableAtMs || (x.key < y.key ? -1 : 1));
  const known = labels.filter(({ availableAtMs }) => availableAtMs <= endMs);
  const records = known.map((label) => ({ ...label, arrivedAtMs: label.availableAtMs }));
  await writeParquet(session, { dir, topic: LABELS_TOPIC, records });
  files.push({ topic: LABELS_TOPIC, rows: known.length });
  const pending = labels.slice(known.length).map((label) => `${JSON.stringify(label)}\n`);
  writeFileSync(join(dir, PENDING_LABELS), pending.join(''));
  return files;
}

function collectLabels(events: readonly PastEvent[], seed: number, labels: LabelRecord[]): void {
  for (const event of events) labels.push(...labelsOf(event, { seed, delay: HISTORY_LABEL_DELAY }));
}

/** Tab-separated lines (compact JSON has neither tab nor newline), then one COPY. */
async function writeParquet(
  session: SqlSession,
  target: { readonly dir: string; readonly topic: string; readonly records: readonly ArrivedRecord[] },
): Promise<void> {
  const lines = join(target.dir, `${target.topic}.tsv`);
  writeLines(lines, target.records);
  const columns = `{'arrived_ms': 'BIGINT', 'key': 'VARCHAR', 'value': 'VARCHAR'}`;
  const source = `read_csv(${sqlText(lines)}, columns = ${columns}, delim = '\\t', quote = '', escape = '', header = false, auto_detect = false)`;
  const path = sqlText(join(target.dir, `${target.topic}.parquet`));
  await session.run(
    `COPY (SELECT key, value, make_timestamptz(arrived_ms * 1000) AS arrived_at FROM ${source}) TO ${path} (FORMAT parquet, COMPRESSION zstd)`,
  );
  rmSync(lines);
}

function writeLines(path: string, records: readonly ArrivedRecord[]): void {
  const file = openSync(path, 'w');
  try {
    for (let from = 0; from < records.length; from += 10_000) {
      const part = records.slice(from, from + 10_000);
      writeFileSync(file, part.map((r) => `${r.arrivedAtMs}\t${r.key}\t${r.value}\n`).join(''));
    }
  } finally {
    closeSync(file);
  }
}
