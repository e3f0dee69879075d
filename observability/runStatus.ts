import type { SqlRow } from '../infra/core/duckdb.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { newestRelease } from '../lakehouse/release.ts';
import { scan } from '../lakehouse/scan.ts';
import { openTable } from '../lakehouse/table.ts';
import { RUNS_TABLE } from '../transforms/runsTable.ts';
import { VERIFY_TABLE } from './verifyProgress.ts';

/** What transforms and verify did last; keys are part of the JSON output. */
export interface RunStatus {
  readonly run: string;
  readonly release: number | null;
  readonly outcome: string;
  readonly finished_at: string;
  readonly models: number;
  readonly rows_written: number;
  /** Models that were blocked or failed, with the reason of one. */
  readonly held: number;
  readonly error: string | null;
}

export interface ReleaseStatus {
  readonly number: number;
  readonly created_at: string;
  readonly tables: number;
  /** Table to the time since when its newest data is held back. */
  readonly stale_since: Readonly<Record<string, string>>;
  readonly pins: Readonly<Record<string, number>>;
}

export interface VerifyStatus {
  readonly verified_at: string;
  readonly violations: number;
}

export async function releaseStatus(lake: Lake): Promise<ReleaseStatus | null> {
  const release = await newestRelease(lake.store);
  if (release === undefined) return null;
  return {
    number: release.number,
    created_at: new Date(release.createdMs).toISOString(),
    tables: Object.keys(release.tables).length,
    stale_since: release.staleSince,
    pins: release.pins,
  };
}

/** The newest runs that published or held something back, newest first. */
export async function lastRuns(lake: Lake, limit: number): Promise<RunStatus[]> {
  const rows = await queryTable(
    lake,
    RUNS_TABLE,
    (source) => `
    select run, max(release) as release, any_value(outcome) as outcome, max(finished_at)::varchar as finished,
      count(model) as models, coalesce(sum(rows_written), 0) as written,
      count(*) filter (where action in ('blocked', 'failed') or error is not null) as held, max(error) as error
    from ${source} group by run order by max(finished_at) desc limit ${limit}`,
  );
  return rows.map((row) => ({
    run: String(row['run'] ?? ''),
    release: row['release'] === null ? null : Number(row['release']),
    outcome: String(row['outcome']),
    finished_at: isoOf(row['finished']),
    models: Number(row['models']),
    rows_written: Number(row['written']),
    held: Number(row['held']),
    error: row['error'] === null ? null : String(row['error']),
  }));
}

export async function lastVerify(lake: Lake): Promise<VerifyStatus | null> {
  const [row] = await queryTable(
    lake,
    VERIFY_TABLE,
    (source) => `
    select max(verified_at)::varchar as verified, sum(violations) as violations
    from ${source} group by run order by max(verified_at) desc limit 1`,
  );
  if (row === undefined) return null;
  return { verified_at: isoOf(row['verified']), violations: Number(row['violations']) };
}

// === Helpers ===

async function queryTable(lake: Lake, name: string, sql: (source: string) => string): Promise<SqlRow[]> {
  const table = await openTable(lake, name);
  if (table === undefined) return [];
  await using rows = await scan(lake, await table.snapshot());
  await using session = await lake.duckdb.connect();
  return await session.rows(sql(rows.sql));
}

function isoOf(timestamp: unknown): string {
  return new Date(String(timestamp)).toISOString();
}
