import { createHash } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
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

export interface HistoryOptions {
  /** A sub-directory named for the parameters is made in it. */
  readonly dir: string;
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

export interface HistoryFile {
  readonly topic: string;
  /** Parquet: `key` and `value` VARCHAR, `arrived_at` TIMESTAMPTZ, in order of arrival. */
  readonly path: string;
  readonly rows: number;
}

export interface History {
  readonly dir: string;
  /** False when the files of these parameters were already there. */
  readonly written: boolean;
  readonly endMs: number;
  /** One a domain, then the labels that were known by `endMs`. */
  readonly files: readonly HistoryFile[];
  /** NDJSON of the labels that become known later, in order of `availableAtMs`, for live traffic to send. */
  readonly pendingLabelsPath: string;
}

/** Raised with each change of the generator, so that old files are not taken for new ones. */
const GENERATOR_VERSION = 1;

const MANIFEST = 'manifest.json';

/**
 * Writes what happened in the `days` before `endMs`: a Parquet file a topic for `land --from`. Files
 * of the same parameters are found again instead.
 */
export async function writeHistory(options: HistoryOptions): Promise<History> {
  const { dir: parent, ...parameters } = options;
  const key = JSON.stringify({ version: GENERATOR_VERSION, ...parameters });
  const dir = join(parent, createHash('sha256').update(key).digest('hex').slice(0, 16));
  const known = readHistory(dir);
  if (known !== undefined) return { ...known, written: false };
  const scratchDir = `${dir}.${process.pid}.tmp`;
  mkdirSync(scratchDir, { recursive: true });
  try {
    const history = await writeFiles(options, scratchDir);
    writeFileSync(join(scratchDir, MANIFEST), JSON.stringify({ ...history, parameters }, null, 2));
    rmSync(dir, { recursive: true, force: true });
    renameSync(scratchDir, dir); // COMMIT POINT: a directory of this name is complete
  } finally {
    rmSync(scratchDir, { recursive: true, force: true });
  }
  return { ...expectHistory(dir), written: true };
}

/** The history that `writeHistory` left in `dir`, or undefined when there is none. */
export function readHistory(dir: string): Omit<History, 'written'> | undefined {
  let text: string;
  try {
    text = readFileSync(join(dir, MANIFEST), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const manifest = JSON.parse(text) as Manifest;
  return {
    dir,
    endMs: manifest.endMs,
    files: manifest.files.map(({ topic, rows }) => ({ topic, rows, path: join(dir, `${topic}.parquet`) })),
    pendingLabelsPath: join(dir, PENDING_LABELS),
  };
}

/** The labels of `pendingLabelsPath`. */
export function readPendingLabels(path: string): LabelRecord[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LabelRecord);
}

// === Helpers ===

const PENDING_LABELS = 'pending_labels.ndjson';

/** Memory of the Parquet writer. */
const DUCKDB_BYTES = 512 * 2 ** 20;

interface Manifest {
  readonly endMs: number;
  readonly files: readonly { readonly topic: string; readonly rows: number }[];
}

interface ArrivedRecord {
  readonly key: string;
  readonly value: string;
  readonly arrivedAtMs: number;
}

async function writeFiles(options: HistoryOptions, dir: string): Promise<Manifest> {
  const { seed, actors, domains, days, endMs, fraudRate } = options;
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
  return { endMs, files };
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

function expectHistory(dir: string): Omit<History, 'written'> {
  const history = readHistory(dir);
  if (history === undefined) throw new Error(`the history in ${dir} is gone`);
  return history;
}
