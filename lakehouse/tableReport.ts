import { type AddFile, rowsOf } from './actions.ts';
import type { DeltaField } from './schema.ts';
import { duckdbType } from './schema.ts';
import type { CommitSummary, LakeTable } from './table.ts';

/** What commands print of a table; keys are part of their JSON output. */
export interface TableReport {
  readonly name: string;
  readonly version: number;
  readonly files: number;
  /** Undefined when a file has no statistics. */
  readonly rows: number | undefined;
  readonly bytes: number;
  /** Time of the newest commit, ISO. */
  readonly committed_at: string;
  readonly age_seconds: number;
}

export interface TableDetails extends TableReport {
  readonly id: string;
  readonly description: string | undefined;
  readonly columns: readonly { readonly name: string; readonly type: string; readonly partition: boolean }[];
  readonly partitions: readonly {
    readonly values: Readonly<Record<string, string | null>>;
    readonly files: number;
    readonly rows: number | undefined;
    readonly bytes: number;
  }[];
  /** Progress kept in the table, by appId. */
  readonly progress: Readonly<Record<string, number>>;
  readonly configuration: Readonly<Record<string, string>>;
}

export interface HistoryEntry {
  readonly version: number;
  readonly committed_at: string;
  readonly operation: string;
  readonly files_added: number;
  readonly files_removed: number;
  readonly metrics: Readonly<Record<string, string>>;
}

/** Size and freshness of the newest snapshot. */
export async function reportTable(table: LakeTable, nowMs: number): Promise<TableReport> {
  const snapshot = await table.snapshot();
  const files = [...snapshot.files.values()];
  return {
    name: table.name,
    version: snapshot.version,
    ...sizeOf(files),
    committed_at: new Date(snapshot.timestampMs).toISOString(),
    age_seconds: Math.max(0, Math.round((nowMs - snapshot.timestampMs) / 1_000)),
  };
}

/** All that the log says about the newest snapshot. */
export async function detailTable(table: LakeTable, nowMs: number): Promise<TableDetails> {
  const snapshot = await table.snapshot();
  const { schema, partitionColumns, metadata, txns } = snapshot;
  const partitions = Map.groupBy(snapshot.files.values(), (add) => JSON.stringify(add.partitionValues));
  return {
    ...(await reportTable(table, nowMs)),
    id: table.id,
    description: metadata.description ?? undefined,
    columns: schema.map((f) => columnOf(f, partitionColumns)),
    partitions: [...partitions.values()]
      .map((files) => ({ values: files[0]?.partitionValues ?? {}, ...sizeOf(files) }))
      .sort((a, b) => (JSON.stringify(a.values) < JSON.stringify(b.values) ? -1 : 1)),
    progress: Object.fromEntries(txns),
    configuration: metadata.configuration ?? {},
  };
}

/** A commit as it is printed. Pure. */
export function historyEntry(commit: CommitSummary): HistoryEntry {
  return {
    version: commit.version,
    committed_at: new Date(commit.timestampMs).toISOString(),
    operation: commit.operation,
    files_added: commit.addedFiles,
    files_removed: commit.removedFiles,
    metrics: commit.info.operationMetrics ?? {},
  };
}

// === Helpers ===

function sizeOf(files: readonly AddFile[]) {
  const rows = files.reduce((sum, add) => sum + (rowsOf(add) ?? Number.NaN), 0);
  const bytes = files.reduce((sum, add) => sum + add.size, 0);
  return { files: files.length, rows: Number.isNaN(rows) ? undefined : rows, bytes };
}

function columnOf({ name, type }: DeltaField, partitionColumns: readonly string[]) {
  return { name, type: duckdbType(type), partition: partitionColumns.includes(name) };
}
