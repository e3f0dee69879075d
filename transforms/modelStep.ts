import { isFault } from '../infra/core/errorCatalog.ts';
import { TidemarkError } from '../infra/core/errors.ts';
import type { Lake } from '../lakehouse/lake.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { type LakeTable, openTable } from '../lakehouse/table.ts';
import { type AuditResult, runAudits } from './audits.ts';
import { type Computation, computeResult } from './compute.ts';
import { dropLater } from './firstRows.ts';
import { type Gains, gainsOf } from './gains.ts';
import type { Model } from './model.ts';
import type { Action, InputState } from './plan.ts';
import { computedSnapshot, isBuilt, progressAppId, progressUpdates } from './progress.ts';
import { auditTablesOf, definitionHash, inputTablesOf, type Project } from './project.ts';
import { openRelations, QUARANTINE, type Relations } from './relations.ts';
import {
  type StagedChange,
  type StageTarget,
  sameColumns,
  stageIncrement,
  stageWhole,
  sumRows,
} from './stageChange.ts';
import { commitModel, createModelTable, resultFields } from './writeModel.ts';

type WriteTarget = StageTarget & { readonly table: LakeTable };

/** A table that models read in this run, at the one version that they all read. */
export interface PinnedTable {
  readonly table: LakeTable;
  readonly snapshot: Snapshot;
}

export interface StepContext {
  readonly lake: Lake;
  readonly project: Project;
  readonly run: string;
  /** Sources, and models that this run is done with. */
  readonly tables: ReadonlyMap<string, PinnedTable>;
}

/** What is known about a model before anything is computed. */
export interface ModelView {
  readonly model: Model;
  readonly definition: string;
  readonly table: LakeTable | undefined;
  /** Undefined before the model was computed, even when its table is there. */
  readonly base: Snapshot | undefined;
  readonly inputs: readonly InputState[];
  readonly gains: ReadonlyMap<string, Gains>;
  /** A source version below the one consumed: somebody else ran meanwhile, or a rollback upstream. */
  readonly behind: string | undefined;
}

export type StepOutcome =
  | { readonly kind: 'done'; readonly action: Action; readonly output: PinnedTable; readonly work: StepWork }
  /** A set audit of severity error found rows: nothing was committed. */
  | { readonly kind: 'blocked'; readonly action: Action; readonly work: StepWork }
  | { readonly kind: 'failed'; readonly action: Action; readonly error: TidemarkError }
  /** Somebody else committed first: everything read since is out of date. */
  | { readonly kind: 'replan'; readonly why: string };

export interface StepWork {
  readonly change: StagedChange;
  readonly audits: readonly AuditResult[];
  readonly rowsIn: number;
  readonly rowsQuarantined: number;
}

/** Reads a model's progress and what its sources gained since. */
export async function viewModel(context: StepContext, model: Model): Promise<ModelView> {
  const definition = definitionHash(context.project, model);
  const table = await openTable(context.lake, model.name);
  const base = computedSnapshot(await table?.snapshot());
  const gains = new Map<string, Gains>();
  const inputs: InputState[] = [];
  for (const name of inputTablesOf(context.project, model)) {
    const pinned = context.tables.get(name);
    const appId = progressAppId(model.name, definition, pinned?.table.id ?? '');
    const consumed = isBuilt(base, definition) ? base?.txns.get(appId) : undefined;
    const { input, gain } = await viewInput(name, pinned, consumed);
    inputs.push(input);
    if (gain !== undefined) gains.set(name, gain);
  }
  const behind = inputs.find(({ from, to }) => from !== undefined && to !== undefined && from > to)?.table;
  const unseen = auditTablesOf(context.project, model).filter((name) => !context.tables.has(name));
  for (const table of unseen) inputs.push({ table, from: undefined, to: undefined, gain: 'none' });
  return { model, definition, table, base, inputs, gains, behind };
}

/**
 * Computes, audits and commits one model: write, audit, publish. Errors of the model itself and of the
 * files that it reads are the outcome `failed`; errors of the world around it are thrown.
 */
export async function runStep(context: StepContext, view: ModelView, action: Action): Promise<StepOutcome> {
  try {
    return await computeAndCommit(context, view, action);
  } catch (error) {
    if (isFault(error, 'LAKE_OBJECT_MISSING')) {
      // A live file is lost: only what reads it waits for its repair.
      if (action.kind === 'full') return { kind: 'failed', action, error };
      // Vacuum may have removed files of old versions that were not consumed in time.
      return runStep(context, view, { kind: 'full', why: `history is gone: ${error.message}` });
    }
    if (error instanceof TidemarkError && error.domain === 'user') return { kind: 'failed', action, error };
    throw error;
  }
}

// === Helpers ===

async function viewInput(
  table: string,
  pinned: PinnedTable | undefined,
  consumed: number | undefined,
): Promise<{ readonly input: InputState; readonly gain: Gains | undefined }> {
  if (pinned === undefined) {
    return { input: { table, from: undefined, to: undefined, gain: 'none' }, gain: undefined };
  }
  const to = pinned.snapshot.version;
  const isRange = consumed !== undefined && consumed < to;
  const gain = isRange ? await gainsOf(pinned.table, consumed, to) : undefined;
  return { input: { table, from: consumed, to, gain: gain?.kind ?? 'none' }, gain };
}

async function computeAndCommit(context: StepContext, view: ModelView, action: Action): Promise<StepOutcome> {
  const { lake, project } = context;
  const { model, base, definition } = view;
  const pins = new Map([...context.tables].map(([name, { snapshot }]) => [name, snapshot]));
  await using relations = await openRelations(lake, project, pins);
  const work: Computation = { model, relations, pins, gains: view.gains };
  const mode = action.kind === 'incremental' ? 'incremental' : 'full';
  await computeResult(work, mode);
  const fields = await resultFields(model, relations);
  if (mode === 'incremental' && !sameColumns(base?.schema ?? [], fields)) {
    return await runStep(context, view, { kind: 'full', why: 'its columns changed with those of a source' });
  }
  // Audits judge what will be stored: rows that an earlier one of their key keeps out go first.
  const replaced =
    base !== undefined && mode === 'incremental' ? await dropLater({ lake, model, base, relations }) : [];
  const audits = await runAudits(project, model, relations);
  const counted = {
    audits,
    rowsIn: countRowsIn(view, work, mode),
    rowsQuarantined: await countQuarantined(work),
  };
  if (audits.some((a) => a.scope === 'set' && a.severity === 'error' && a.failures > 0)) {
    return {
      kind: 'blocked',
      action,
      work: { ...counted, change: { adds: [], removes: [], rowsWritten: 0 } },
    };
  }
  const target = await openTarget(context, view, { relations, fields });
  const change =
    mode === 'full'
      ? await stageWhole(target, { fields, definition })
      : await stageIncrement(target, replaced);
  const committed = await commitStep(context, view, { target, change });
  if (committed === undefined) return { kind: 'replan', why: `${model.name} was committed by another run` };
  return { kind: 'done', action, output: committed, work: { ...counted, change } };
}

async function openTarget(
  context: StepContext,
  view: ModelView,
  made: { relations: Relations; fields: Parameters<typeof createModelTable>[2] },
): Promise<WriteTarget> {
  const { lake } = context;
  const table = view.table ?? (await createModelTable(lake, view.model, made.fields));
  const base = view.base ?? (await table.snapshot());
  return { lake, model: view.model, table, base, relations: made.relations };
}

/**
 * Order of effects: data files are put (a crash leaves orphans), then one commit brings rows and
 * progress together, so that a run that starts over neither repeats nor misses a source's rows.
 */
async function commitStep(
  context: StepContext,
  view: ModelView,
  staged: { target: WriteTarget; change: StagedChange },
): Promise<PinnedTable | undefined> {
  const { target, change } = staged;
  const inputs = view.inputs.flatMap(({ table, to }) => {
    const tableId = context.tables.get(table)?.table.id;
    return tableId === undefined || to === undefined ? [] : [{ table, tableId, to }];
  });
  const owner = { model: view.model.name, definition: view.definition };
  const txns = progressUpdates(target.base, owner, inputs);
  context.lake.crashPoint('before-model-commit');
  // COMMIT POINT
  const result = await commitModel(target, change, { txns, info: { run: context.run, inputs } });
  context.lake.crashPoint('after-model-commit');
  if (result.kind === 'conflict') return undefined;
  return { table: target.table, snapshot: await target.table.snapshot({ version: result.version }) };
}

function countRowsIn(view: ModelView, work: Computation, mode: 'full' | 'incremental'): number {
  const files = view.inputs.flatMap(({ table }) =>
    mode === 'full' ? [...(work.pins.get(table)?.files.values() ?? [])] : (work.gains.get(table)?.adds ?? []),
  );
  return sumRows(files);
}

async function countQuarantined({ model, relations }: Computation): Promise<number> {
  if (!model.audits.some((a) => a.scope === 'row' && a.severity === 'error')) return 0;
  const [row] = await relations.session.rows(
    `select count(*) as n from result where ${QUARANTINE} is not null`,
  );
  return Number(row?.['n']);
}
