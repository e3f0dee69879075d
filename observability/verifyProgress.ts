import { sqlText } from '../infra/core/duckdb.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { scan } from '../lakehouse/scan.ts';
import { field } from '../lakehouse/schema.ts';
import { createTable, openTable } from '../lakehouse/table.ts';
import { type ChainState, EMPTY_CHAIN, type LandedPartition, partitionKey } from './landingChain.ts';

/** What of the lake was verified, kept in a table of the lake: a later run costs the new part. */
export const VERIFY_TABLE = 'ops.verify';

/** The subject that stands for all releases. */
export const RELEASES_SUBJECT = '_releases';

/** The subject that stands for decisions against records. */
export const DECISIONS_SUBJECT = '_decisions';

/** One subject of a run of `verify`: a bronze table, the releases, the decisions. */
export interface VerifiedSubject {
  readonly subject: string;
  /** Newest version of the table, or number of the release, that this run looked at. */
  readonly version: number;
  readonly violations: number;
  readonly chain: ChainState;
}

/** The state of each subject when it was last found clean. */
export type VerifyProgress = ReadonlyMap<string, ChainState>;

export async function readProgress(lake: Lake): Promise<VerifyProgress> {
  const table = await openTable(lake, VERIFY_TABLE);
  if (table === undefined) return new Map();
  await using rows = await scan(lake, await table.snapshot());
  await using session = await lake.duckdb.connect();
  const newest = await session.rows(`
    select subject, arg_max(version, verified_at) as version, arg_max(progress, verified_at) as progress
    from ${rows.sql} where violations = 0 group by subject`);
  return new Map(
    newest.map((row) => [String(row['subject']), chainOf(Number(row['version']), String(row['progress']))]),
  );
}

/** Adds one row a subject. Two runs at once both add theirs: each is true for itself. */
export async function saveProgress(
  lake: Lake,
  run: { readonly id: string; readonly verifiedMs: number },
  subjects: readonly VerifiedSubject[],
): Promise<void> {
  if (subjects.length === 0) return;
  const table = await createTable(lake, {
    name: VERIFY_TABLE,
    description: 'One row for each run of verify and subject; progress is where the next run goes on.',
    fields: [
      field('run', 'string'),
      field('verified_at', 'timestamp'),
      field('subject', 'string'),
      field('version', 'long'),
      field('violations', 'long'),
      field('progress', 'string'),
    ],
    partitionColumns: [],
  });
  const values = subjects.map(({ subject, version, violations, chain }) => {
    const progress = JSON.stringify([...chain.partitions.values()]);
    return `(${sqlText(run.id)}, make_timestamptz(${run.verifiedMs} * 1000), ${sqlText(subject)}, ${version},
      ${violations}, ${sqlText(progress)})`;
  });
  await using session = await lake.duckdb.connect();
  const select = `select * from (values ${values.join(', ')}) t(run, verified_at, subject, version, violations, progress)`;
  const adds = await table.stage({ session, select, partitionValues: {} });
  await table.commit({ operation: 'WRITE', base: await table.snapshot(), adds, reads: 'nothing' });
}

/** The verified state of a subject; the beginning when it never was clean. */
export function verifiedState(progress: VerifyProgress, subject: string): ChainState {
  return progress.get(subject) ?? EMPTY_CHAIN;
}

// === Helpers ===

function chainOf(version: number, progress: string): ChainState {
  const partitions = JSON.parse(progress) as LandedPartition[];
  return { version, partitions: new Map(partitions.map((p) => [partitionKey(p), p])) };
}
