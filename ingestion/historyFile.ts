import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { extname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type SqlSession, sqlText } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import { FILE_ID_PREFIX } from './progress.ts';

/** A record of a history file. */
export interface HistoryRow {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** -1 when the file has none. */
  readonly arrivedAtMs: number;
}

/** A file of records that arrived earlier: Parquet or NDJSON with columns key, value, arrived_at. */
export interface HistoryFile {
  readonly path: string;
  /** Stands where Kafka's topic id stands: `file:` and the SHA-256 of the content. */
  readonly topicId: string;
  readonly rows: number;
  /** Undefined when no row has an arrival. */
  readonly lastArrivalMs: number | undefined;
  /** All rows in order of (arrival, row), read lazily. */
  read(): AsyncIterable<HistoryRow>;
}

/** Opens a file; the session stays in use while it is read. @throws HISTORY_FILE_INVALID */
export async function openHistoryFile(path: string, session: SqlSession): Promise<HistoryFile> {
  const invalid = (detail: string, cause?: unknown) => fault('HISTORY_FILE_INVALID', { path, detail }, cause);
  try {
    await access(path);
    const source = sourceOf(path);
    if (source === undefined) throw invalid('its name must end in .parquet, .ndjson, .jsonl or .json');
    const columns = new Map(
      (await session.rows(`DESCRIBE SELECT * FROM ${source}`)).map((row) => [
        String(row['column_name']),
        String(row['column_type']),
      ]),
    );
    const missing = ['key', 'value', 'arrived_at'].filter((name) => !columns.has(name));
    if (missing.length > 0) throw invalid(`it has no column ${missing.join(', ')}`);
    const query = `SELECT ${bytesOf('key', columns)} AS key, ${bytesOf('value', columns)} AS value,
      CAST(epoch_ms(CAST(arrived_at AS TIMESTAMPTZ)) AS DOUBLE) AS arrived, ${ROW_NUMBER} AS row FROM ${source}`;
    const { rows, last, unsorted } = await summarize(session, query);
    return {
      path,
      topicId: `${FILE_ID_PREFIX}${await sha256(path)}`,
      rows,
      lastArrivalMs: last,
      read: () => readRows(session, query, unsorted > 0),
    };
  } catch (error) {
    throw error instanceof Error && 'code' in error && error.code === 'HISTORY_FILE_INVALID'
      ? error
      : invalid(error instanceof Error ? error.message : String(error), error);
  }
}

// === Helpers ===

const ROW_NUMBER = 'file_row';
/** Where rows without an arrival stand. */
const LAST = `'infinity'::DOUBLE`;

function sourceOf(path: string): string | undefined {
  const file = sqlText(path);
  switch (extname(path).toLowerCase()) {
    case '.parquet':
      return `(SELECT *, file_row_number AS ${ROW_NUMBER} FROM read_parquet(${file}, file_row_number = true))`;
    case '.ndjson':
    case '.jsonl':
    case '.json':
      return `(SELECT *, row_number() OVER () AS ${ROW_NUMBER} FROM read_json(${file}, format = 'newline_delimited',
        columns = {key: 'VARCHAR', value: 'VARCHAR', arrived_at: 'TIMESTAMPTZ'}))`;
    default:
      return undefined;
  }
}

/** A column's bytes; a cast of text to BLOB would read escapes into it. */
function bytesOf(name: string, columns: ReadonlyMap<string, string>): string {
  return columns.get(name) === 'BLOB' ? name : `encode(CAST(${name} AS VARCHAR))`;
}

async function summarize(
  session: SqlSession,
  query: string,
): Promise<{ rows: number; last: number | undefined; unsorted: number }> {
  const [row] = await session.rows(`
    SELECT count(*) AS rows, max(arrived) AS last, 
      count(*) FILTER (coalesce(arrived, ${LAST}) < before) AS unsorted
    FROM (SELECT arrived, lag(coalesce(arrived, ${LAST})) OVER (ORDER BY row) AS before FROM (${query}))`);
  const last = row?.['last'];
  return {
    rows: Number(row?.['rows'] ?? 0),
    last: last === null || last === undefined ? undefined : Number(last),
    unsorted: Number(row?.['unsorted'] ?? 0),
  };
}

async function* readRows(
  session: SqlSession,
  query: string,
  isUnsorted: boolean,
): AsyncGenerator<HistoryRow> {
  const order = isUnsorted ? 'ORDER BY arrived NULLS LAST, row' : 'ORDER BY row';
  const select = `SELECT to_base64(key), to_base64(value), arrived FROM (${query})`;
  const { chunks } = await session.stream(isUnsorted ? `${select} ${order}` : select);
  for await (const chunk of chunks) {
    for (const [key, value, arrived] of chunk) {
      yield {
        key: bytes(key),
        value: bytes(value),
        arrivedAtMs: typeof arrived === 'number' ? Math.floor(arrived) : -1,
      };
    }
  }
}

function bytes(base64: unknown): Buffer | null {
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64') : null;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
