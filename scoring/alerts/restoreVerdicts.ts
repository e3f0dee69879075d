import type { Postgres } from '../../infra/core/postgres.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { scan } from '../../lakehouse/scan.ts';
import { openTable } from '../../lakehouse/table.ts';

/** The newest label by a verdict about an event, as it has landed. */
export interface LandedVerdict {
  readonly event_id: string;
  readonly revision: number;
  readonly label: string;
  readonly fraud_type: string | null;
}

/** Newest verdicts by event in `table`, which holds the topic of labels; none where there is no table yet. */
export async function readLandedVerdicts(lake: Lake, table: string): Promise<LandedVerdict[]> {
  const snapshot = await (await openTable(lake, table))?.snapshot();
  if (snapshot === undefined) return [];
  await using session = await lake.duckdb.connect();
  await using labels = await scan(lake, snapshot);
  const rows = await session.rows(`
    select event_id, max(revision)::int as revision, arg_max(label, revision) as label,
      arg_max_null(fraud_type, revision) as fraud_type
    from ${labels.sql}
    where _error is null and source = 'verdict' and label_id = 'verdict:' || event_id
    group by event_id`);
  return rows.map((row) => ({
    event_id: String(row['event_id']),
    revision: Number(row['revision']),
    label: String(row['label']),
    fraud_type: row['fraud_type'] === null ? null : String(row['fraud_type']),
  }));
}

/**
 * PostgreSQL may be lost, the labels in the lake are not: revisions go on where they were, since a label
 * that takes up an old revision would count for nothing. Done once in the life of a database.
 * @throws POSTGRES_UNAVAILABLE
 */
export async function restoreVerdicts(
  postgres: Postgres,
  read: () => Promise<readonly LandedVerdict[]>,
): Promise<void> {
  const done = await postgres.query('select 1 from tidemark.restored where what = $1', [WHAT]);
  if (done.length > 0) return;
  const landed = await read();
  await postgres.withTransaction(async (tx) => {
    await tx.query(
      `insert into tidemark.verdict_labels as l (event_id, revision, label, fraud_type, verdict)
       select event_id, revision, label, fraud_type, 0 from jsonb_to_recordset($1)
         as v(event_id text, revision int, label text, fraud_type text)
       order by event_id
       on conflict (event_id) do update
       set revision = excluded.revision, label = excluded.label, fraud_type = excluded.fraud_type
       where excluded.revision >= l.revision`,
      [JSON.stringify(landed)],
    );
    await tx.query('insert into tidemark.restored (what) values ($1) on conflict do nothing', [WHAT]);
  });
}

// === Helpers ===

const WHAT = 'verdicts';
