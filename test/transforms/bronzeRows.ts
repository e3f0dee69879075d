import { sqlText } from '../../infra/core/duckdb.ts';
import { ARRIVAL_DATE, bronzeFields } from '../../ingestion/bronze.ts';
import type { Contract } from '../../ingestion/contract.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { type DeltaType, duckdbType } from '../../lakehouse/schema.ts';
import { stagePartitions } from '../../lakehouse/stage.ts';
import { createTable } from '../../lakehouse/table.ts';

/** A good record of a topic, at its place. */
export interface BronzeRecord {
  readonly offset: number;
  readonly partition?: number;
  /** ISO time. */
  readonly arrivedAt: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Commits records as good rows of the contract's bronze table. */
export async function landRecords(
  lake: Lake,
  contract: Contract,
  records: readonly BronzeRecord[],
): Promise<void> {
  const rows = records.map(({ offset, partition = 0, arrivedAt, value }) => ({
    ...{ o: offset, p: partition, t: arrivedAt },
    v: JSON.stringify(value),
  }));
  const shape = '[{"o":"BIGINT","p":"INTEGER","t":"VARCHAR","v":"VARCHAR"}]';
  await landValues(
    lake,
    contract,
    `select r.o, r.p, cast(r.t as timestamptz) as t, r.v
     from (select unnest(from_json(${sqlText(JSON.stringify(rows))}, '${shape}')) as r)`,
  );
}

/** Like `landRecords` for a query with columns o (offset), p (partition), t (arrival), v (JSON text). */
export async function landValues(lake: Lake, contract: Contract, query: string): Promise<void> {
  const fields = bronzeFields(contract);
  const table = await createTable(lake, { name: contract.table, fields, partitionColumns: [ARRIVAL_DATE] });
  const own = fields.filter((f) => contract.fields.some((c) => c.name === f.name));
  const shape = JSON.stringify(Object.fromEntries(own.map((f) => [f.name, shapeOf(f.type)])));
  const base = await table.snapshot();
  await using session = await lake.duckdb.connect();
  const adds = await stagePartitions(lake, base, {
    session,
    select: `select ${sqlText(contract.topic)} as _topic, 'topic-1' as _topic_id, p as _partition, o as _offset,
        json_extract_string(v, ${sqlText(`$.${contract.key}`)}) as _key, null as _headers, t as _arrived_at,
        t as _ingested_at, 1 as _schema_id, null as _rescued, null as _error, null as _raw,
        value.*, cast(t as date) as ${ARRIVAL_DATE}
      from (select *, from_json(v, ${sqlText(shape)}) as value from (${query}))`,
  });
  await table.commit({ operation: 'STREAMING UPDATE', base, adds, reads: 'nothing' });
}

// === Helpers ===

/** A type as `from_json` wants it: absent members are null. */
function shapeOf(type: DeltaType): unknown {
  if (typeof type === 'string') return duckdbType(type);
  if (type.type === 'array') return [shapeOf(type.elementType)];
  if (type.type === 'struct') return Object.fromEntries(type.fields.map((f) => [f.name, shapeOf(f.type)]));
  throw new Error('contracts have no maps');
}
