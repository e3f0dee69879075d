import { randomUUID } from 'node:crypto';
import type { SqlSession } from '../infra/core/duckdb.ts';
import { sqlName } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import { type AddFile, type MetaData, rowsOf } from '../lakehouse/actions.ts';
import type { CommitResult } from '../lakehouse/commit.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { type DeltaField, widenSchema } from '../lakehouse/schema.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { createTable, type LakeTable, withSchema } from '../lakehouse/table.ts';
import { answeredTxns } from './answered.ts';
import { ARRIVAL_DATE, bronzeFields, bronzeSelect } from './bronze.ts';
import type { BronzeBatch, LandedRange } from './bronzeBatch.ts';
import type { Contract } from './contract.ts';
import { landingAppId } from './progress.ts';

/** Where a batch's records come from: part of their identity. */
export interface LandingSource {
  readonly cluster: string;
  readonly topicId: string;
}

/** The table configuration that holds the contract version in force. */
const CONTRACT_VERSION = 'tidemark.contractVersion';

/** Opens or creates the bronze table of a contract. @throws CONTRACT_INVALID, CONTRACT_OUTDATED */
export async function openBronze(lake: Lake, contract: Contract): Promise<LakeTable> {
  const table = await createTable(lake, {
    name: contract.table,
    fields: bronzeFields(contract),
    partitionColumns: [ARRIVAL_DATE],
    configuration: { [CONTRACT_VERSION]: String(contract.version) },
    description: contract.doc,
  });
  evolution(await table.snapshot(), contract);
  return table;
}

/** Writes a batch's lines as data files, one a day of arrival; nothing is visible yet. */
export async function stageBatch(
  target: { readonly table: LakeTable; readonly contract: Contract; readonly session: SqlSession },
  batch: BronzeBatch,
  source: { readonly topicId: string; readonly ingestedAtMs: number },
): Promise<AddFile[]> {
  const { table, contract, session } = target;
  const snapshot = await table.snapshot();
  const schema = evolution(snapshot, contract)?.schema ?? snapshot.schema;
  const staged: AddFile[] = [];
  for (const day of batch.days) {
    // Given back at once: a topic with the time of its producers may have any number of days.
    using file = day.file;
    const { arrivalDate } = day;
    const { longestLine } = file;
    const lines = bronzeSelect(contract, { path: file.flush(), longestLine, ...source });
    const adds = await table.stage({
      session,
      select: withColumnsOf(schema, contract, lines),
      partitionValues: { [ARRIVAL_DATE]: arrivalDate },
      schema,
      rowGroupRows: ROW_GROUP_ROWS,
    });
    const rows = adds.reduce((sum, add) => sum + (rowsOf(add) ?? 0), 0);
    if (rows !== file.lines)
      throw fault('LANDING_ROWS_DIFFER', { table: table.name, rows, lines: file.lines });
    staged.push(...adds);
  }
  return staged;
}

/**
 * Commits rows and offsets together. A conflict means that somebody else has landed the same
 * partitions: the batch is to be dropped. @throws LAKE_COMMIT_TIMEOUT
 */
export async function commitBatch(
  target: { readonly table: LakeTable; readonly contract: Contract },
  batch: {
    readonly adds: readonly AddFile[];
    readonly ranges: ReadonlyMap<number, LandedRange>;
    /** Next offsets of answered partitions, see `Answered`. */
    readonly answered?: ReadonlyMap<string, number>;
  },
  source: LandingSource,
): Promise<CommitResult> {
  const { table, contract } = target;
  const { topic } = contract;
  const base = await table.snapshot();
  const metaData = evolution(base, contract)?.metaData;
  const place = { tableId: table.id, cluster: source.cluster, topic };
  // Equality, not order: whoever has moved any of these offsets has landed our records, or lost them.
  const landed = [...batch.ranges].map(([partition, { expected, to }]) => ({
    appId: landingAppId(place, source.topicId, partition),
    expected,
    version: to,
  }));
  return await table.commit({
    operation: 'STREAMING UPDATE',
    operationParameters: { outputMode: 'Append', queryId: table.id, epochId: randomUUID() },
    operationMetrics: metricsOf(batch),
    info: { landing: landingInfo(topic, source, batch.ranges) },
    base,
    adds: batch.adds,
    txns: [...landed, ...answeredTxns(base.txns, batch.answered ?? new Map())],
    reads: 'nothing',
    ...(metaData === undefined ? {} : { metaData }),
  });
}

// === Helpers ===

/** A flush is small and compaction writes it again: what counts here is the writer's memory. */
const ROW_GROUP_ROWS = 20_480;

/** The metadata that the contract needs and the table lacks. @throws CONTRACT_OUTDATED, LAKE_SCHEMA_INCOMPATIBLE */
function evolution(
  snapshot: Snapshot,
  contract: Contract,
): { readonly schema: readonly DeltaField[]; readonly metaData: MetaData } | undefined {
  const inForce = Number(snapshot.metadata.configuration?.[CONTRACT_VERSION] ?? 0);
  const { topic, table, version } = contract;
  if (inForce > version) throw fault('CONTRACT_OUTDATED', { topic, table, version, inForce });
  const schema = widenSchema(snapshot.schema, bronzeFields(contract)) ?? snapshot.schema;
  if (inForce === version && schema === snapshot.schema) return undefined;
  const configuration = { ...snapshot.metadata.configuration, [CONTRACT_VERSION]: String(version) };
  return { schema, metaData: { ...withSchema(snapshot.metadata, schema), configuration } };
}

/** Columns that an earlier contract had are null from now on. */
function withColumnsOf(schema: readonly DeltaField[], contract: Contract, select: string): string {
  const known = new Set(bronzeFields(contract).map(({ name }) => name));
  const retired = schema.filter(({ name }) => !known.has(name)).map(({ name }) => `NULL AS ${sqlName(name)}`);
  return retired.length === 0 ? select : `SELECT *, ${retired.join(', ')} FROM (${select})`;
}

function metricsOf(batch: { readonly adds: readonly AddFile[] }): Record<string, string> {
  const sum = (of: (add: AddFile) => number) => String(batch.adds.reduce((total, add) => total + of(add), 0));
  return {
    numAddedFiles: String(batch.adds.length),
    numOutputRows: sum((add) => rowsOf(add) ?? 0),
    numOutputBytes: sum((add) => add.size),
  };
}

/** What `verify` chains: each range with its counts. */
function landingInfo(topic: string, { topicId }: LandingSource, ranges: ReadonlyMap<number, LandedRange>) {
  return [...ranges].map(([partition, { from, to, fetched, good, bad }]) => ({
    topic,
    topicId,
    partition,
    from,
    to,
    fetched,
    good,
    bad,
  }));
}
