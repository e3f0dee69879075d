import type { CommitResult } from '../lakehouse/commit.ts';
import type { TxnUpdate } from '../lakehouse/conflict.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { type DeltaField, deltaType, field } from '../lakehouse/schema.ts';
import { createTable, type LakeTable } from '../lakehouse/table.ts';
import type { Model } from './model.ts';
import type { Relations } from './relations.ts';
import type { StagedChange, StageTarget } from './stageChange.ts';

/** Columns of `result` as a table stores them, comments included. @throws LAKE_TYPE_UNSUPPORTED */
export async function resultFields(model: Model, relations: Relations): Promise<DeltaField[]> {
  const rows = await relations.session.rows('describe result');
  return rows.map((row) => {
    const name = String(row['column_name']);
    const comment = model.columnDocs.get(name);
    const column = field(name, deltaType(String(row['column_type'])));
    return comment === undefined ? column : { ...column, metadata: { comment } };
  });
}

/** Creates the model's table empty, or opens the one that somebody else just made. */
export function createModelTable(
  lake: Lake,
  model: Model,
  fields: readonly DeltaField[],
): Promise<LakeTable> {
  return createTable(lake, {
    name: model.name,
    fields,
    partitionColumns: model.partitionedBy,
    description: model.description,
  });
}

/** Commits staged rows together with the progress that they stand for. */
export function commitModel(
  target: StageTarget & { readonly table: LakeTable },
  change: StagedChange,
  progress: { readonly txns: readonly TxnUpdate[]; readonly info: Readonly<Record<string, unknown>> },
): Promise<CommitResult> {
  const isAppend = target.model.kind.kind === 'append' && change.removes.length === 0;
  return target.table.commit({
    operation: change.removes.length === 0 ? 'WRITE' : 'MERGE',
    operationParameters: { model: target.model.name },
    operationMetrics: {
      numFiles: String(change.adds.length),
      numRemovedFiles: String(change.removes.length),
      numOutputRows: String(change.rowsWritten),
    },
    info: progress.info,
    base: target.base,
    adds: change.adds,
    removes: change.removes,
    txns: progress.txns,
    reads: isAppend ? 'nothing' : 'table',
    ...(change.metaData === undefined ? {} : { metaData: change.metaData }),
  });
}
