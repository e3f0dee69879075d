import { sqlText } from '../infra/core/duckdb.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { newestRelease, type Release, readRelease } from '../lakehouse/release.ts';
import { type DeltaField, deltaType, field } from '../lakehouse/schema.ts';
import { createTable, type LakeTable } from '../lakehouse/table.ts';
import type { RunReport, RunSummary } from './report.ts';

/** One row a model and run: what was read and written, at which versions, and what the audits said. */
export const RUNS_TABLE = 'ops.runs';

/** The last release whose run is in the table. */
const APP_ID = 'runs:releases';

const INPUTS = 'STRUCT("table" VARCHAR, from_version BIGINT, to_version BIGINT)[]';
const AUDITS =
  'STRUCT("name" VARCHAR, scope VARCHAR, severity VARCHAR, failures BIGINT, examples VARCHAR[])[]';

const COLUMNS = {
  run: 'VARCHAR',
  release: 'BIGINT',
  outcome: 'VARCHAR',
  started_at: 'TIMESTAMP WITH TIME ZONE',
  finished_at: 'TIMESTAMP WITH TIME ZONE',
  model: 'VARCHAR',
  kind: 'VARCHAR',
  action: 'VARCHAR',
  why: 'VARCHAR',
  inputs: INPUTS,
  output_version: 'BIGINT',
  rows_in: 'BIGINT',
  rows_written: 'BIGINT',
  rows_quarantined: 'BIGINT',
  files_added: 'BIGINT',
  files_removed: 'BIGINT',
  seconds: 'DOUBLE',
  audits: AUDITS,
  error: 'VARCHAR',
} as const;

/**
 * Copies the runs of all releases that are not in the table yet. The release documents are the
 * truth, so a crash before this loses nothing, and the txn makes it happen once.
 */
export async function projectRuns(lake: Lake): Promise<void> {
  const newest = await newestRelease(lake.store);
  if (newest === undefined) return;
  const table = await runsTable(lake);
  const base = await table.snapshot();
  const expected = base.txns.get(APP_ID);
  if ((expected ?? 0) >= newest.number) return;
  const rows: object[] = [];
  for (let number = (expected ?? 0) + 1; number <= newest.number; number += 1) {
    const release = number === newest.number ? newest : await readRelease(lake.store, number);
    if (release !== undefined) rows.push(...rowsOfRelease(release));
  }
  const adds = await stageRows(lake, table, rows);
  const txns = [{ appId: APP_ID, expected, version: newest.number }];
  // COMMIT POINT: a conflict means that somebody else copied these runs.
  await table.commit({ operation: 'WRITE', base, adds, txns, reads: 'nothing' });
}

/** Adds the run of a report that led to no release, when it held something back. */
export async function recordUnpublishedRun(lake: Lake, report: RunReport): Promise<void> {
  const models = report.summary.models.filter((m) => m.action === 'blocked' || m.action === 'failed');
  const { run } = report;
  await appendRows(lake, rowsOf({ run, release: null, outcome: 'held' }, { ...report.summary, models }));
}

/** Adds a run that ended with an error. */
export async function recordFailedRun(
  lake: Lake,
  failure: { startedMs: number; error: string },
): Promise<void> {
  const time = { started_at: failure.startedMs, finished_at: lake.clock.nowMs() };
  const [started_at, finished_at] = [time.started_at, time.finished_at].map((ms) =>
    new Date(ms).toISOString(),
  );
  await appendRows(lake, [{ outcome: 'failed', started_at, finished_at, error: failure.error }]);
}

// === Helpers ===

async function appendRows(lake: Lake, rows: readonly object[]): Promise<void> {
  if (rows.length === 0) return;
  const table = await runsTable(lake);
  const base = await table.snapshot();
  const adds = await stageRows(lake, table, rows);
  await table.commit({ operation: 'WRITE', base, adds, reads: 'nothing' });
}

async function stageRows(lake: Lake, table: LakeTable, rows: readonly object[]) {
  if (rows.length === 0) return [];
  const columns = Object.entries(COLUMNS);
  const shape = JSON.stringify({ ...COLUMNS, started_at: 'VARCHAR', finished_at: 'VARCHAR' });
  const casts = columns.map(([name, type]) => `cast(row.${name} as ${type}) as ${name}`);
  await using session = await lake.duckdb.connect();
  const select = `select ${casts.join(', ')} from (select unnest(from_json(${sqlText(JSON.stringify(rows))}, '[${shape}]')) as row)`;
  return await table.stage({ session, select, partitionValues: {} });
}

function rowsOfRelease(release: Release): object[] {
  const head = { run: release.run, release: release.number, outcome: 'published' };
  const time = new Date(release.createdMs).toISOString();
  const summary = release.summary as RunSummary | undefined;
  if (summary !== undefined) return rowsOf(head, summary);
  return [{ ...head, started_at: time, finished_at: time, action: 'release without a run' }];
}

function rowsOf(head: object, { started_at, finished_at, models }: RunSummary): object[] {
  return models.map((model) => ({ ...head, started_at, finished_at, ...model }));
}

function runsTable(lake: Lake): Promise<LakeTable> {
  return createTable(lake, {
    name: RUNS_TABLE,
    fields: Object.entries(COLUMNS).map(([name, type]): DeltaField => field(name, deltaType(type))),
    partitionColumns: [],
    description: 'What each run did with each model.',
  });
}
