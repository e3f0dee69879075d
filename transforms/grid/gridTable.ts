import type { SqlSession } from '../../infra/core/duckdb.ts';
import type { AddFile } from '../../lakehouse/actions.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { type DeltaField, field } from '../../lakehouse/schema.ts';
import type { Snapshot } from '../../lakehouse/snapshot.ts';
import { stagePartitions } from '../../lakehouse/stage.ts';
import { createTable, type LakeTable, withSchema } from '../../lakehouse/table.ts';
import { isBuilt, withDefinition } from '../progress.ts';
import { sumRows } from '../stageChange.ts';
import { gridAppId } from './martTable.ts';

/** A table that follows the grid: rows of a grid point are added together with the progress to it. */
export interface GridTable {
  readonly name: string;
  readonly description: string;
  /** The partition column is the last one. */
  readonly fields: readonly DeltaField[];
  /** Covers all that determines its rows; another one means that they are computed anew. */
  readonly definition: string;
  readonly orderBy: string;
}

/** What a step of the grid did to a table. */
export interface GridStep {
  readonly table: string;
  readonly action: 'full' | 'incremental' | 'up to date';
  readonly snapshot: Snapshot;
  /** The grid point that it was complete up to before. */
  readonly fromMs: number | undefined;
  readonly rowsWritten: number;
  readonly seconds: number;
}

/** An open table of the grid, and how far it has come under its present definition. */
export interface GridTarget {
  readonly spec: GridTable;
  readonly table: LakeTable;
  readonly base: Snapshot;
  /** Complete up to this grid point; undefined: nothing was computed under this definition. */
  readonly doneMs: number | undefined;
}

/** Opens the table, creates it when it is not there. */
export async function openGridTable(lake: Lake, spec: GridTable): Promise<GridTarget> {
  const { name, fields, description } = spec;
  const partitionColumns = [fields.at(-1)?.name ?? ''];
  const table = await createTable(lake, { name, fields, partitionColumns, description });
  const base = await table.snapshot();
  const doneMs = isBuilt(base, spec.definition) ? base.txns.get(gridAppId(name)) : undefined;
  return { spec, table, base, doneMs };
}

/** A column of days that rows are laid out by; it follows from another column. */
export function dateField(name: string, comment: string): DeltaField {
  return { ...field(name, 'date'), metadata: { comment } };
}

/**
 * Stages rows and commits them with the progress that they stand for: rows that a killed run staged are
 * orphans, rows of a commit are complete. Undefined: somebody else was faster.
 */
export async function commitGridRows(
  lake: Lake,
  target: GridTarget,
  made: {
    readonly session: SqlSession;
    readonly select: string;
    readonly toMs: number;
    readonly removes?: readonly AddFile[];
    /** Progress beside that to `toMs`, by appId. */
    readonly progress?: Readonly<Record<string, number>>;
    readonly startedMs: number;
  },
): Promise<GridStep | undefined> {
  const { spec, table, base, doneMs } = target;
  const isFull = doneMs === undefined;
  const adds = await stagePartitions(lake, base, {
    session: made.session,
    select: made.select,
    schema: spec.fields,
    orderBy: spec.orderBy,
  });
  const removes = isFull ? [...base.files.values()] : (made.removes ?? []);
  const moved = { [gridAppId(spec.name)]: made.toMs, ...made.progress };
  lake.crashPoint('before-grid-commit');
  // COMMIT POINT: rows and progress. A runner that repeats the step finds its txn moved.
  const result = await table.commit({
    operation: 'WRITE',
    operationParameters: { grid: new Date(made.toMs).toISOString() },
    base,
    adds,
    removes,
    txns: Object.entries(moved).map(([appId, version]) => ({
      appId,
      expected: base.txns.get(appId),
      version,
    })),
    reads: isFull ? 'table' : 'nothing',
    ...(isFull ? { metaData: withSchema(withDefinition(base.metadata, spec.definition), spec.fields) } : {}),
  });
  lake.crashPoint('after-grid-commit');
  if (result.kind === 'conflict') return undefined;
  return {
    table: spec.name,
    action: isFull ? 'full' : 'incremental',
    snapshot: await table.snapshot({ version: result.version }),
    fromMs: doneMs,
    rowsWritten: sumRows(adds),
    seconds: (lake.clock.nowMs() - made.startedMs) / 1_000,
  };
}

/** The step of a table that is where it should be. */
export function unchangedStep({ spec, base, doneMs }: GridTarget): GridStep {
  return {
    table: spec.name,
    action: 'up to date',
    snapshot: base,
    fromMs: doneMs,
    rowsWritten: 0,
    seconds: 0,
  };
}
