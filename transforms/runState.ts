import type { Release } from '../lakehouse/release.ts';
import type { ModelView, PinnedTable, StepOutcome } from './modelStep.ts';
import { type Action, decideAction } from './plan.ts';
import { isBuilt } from './progress.ts';
import { auditReport, type ModelReport } from './report.ts';

/** A run in the making. */
export interface RunState {
  readonly run: string;
  /** The release that this run follows. */
  readonly parent: Release | undefined;
  readonly selected: ReadonlySet<string>;
  /** One version of each source, and of each model that is done. */
  readonly tables: Map<string, PinnedTable>;
  /** Models that keep their released version; what reads them does too. */
  readonly held: Set<string>;
  readonly entries: ModelEntry[];
}

/** What became of one model. */
export interface ModelEntry {
  readonly view: ModelView;
  readonly action: Action;
  /** None: nothing was computed. */
  readonly outcome?: Exclude<StepOutcome, { kind: 'replan' }>;
  readonly seconds?: number;
}

/** What the run does with a model, given what became of the models before it. Pure. */
export function decideFor(state: RunState, view: ModelView): Action {
  const { model, base, definition, inputs } = view;
  if (model.kind.kind === 'view') return { kind: 'up to date', why: 'a view' };
  return decideAction(model, {
    selected: state.selected.has(model.name),
    pinnedTo: state.parent?.pins[model.name],
    heldBy: inputs.find((input) => state.held.has(input.table))?.table,
    built: isBuilt(base, definition),
    inputs,
  });
}

/** Whether the model is released beside the versions of sources that the run has pinned. Pure. */
export function goesWithSources(action: Action): boolean {
  return !['pinned', 'held', 'waiting'].includes(action.kind);
}

/** Notes what became of a model, for the models that read it and for the release. */
export function settle(state: RunState, entry: ModelEntry): void {
  const { view, action, outcome } = entry;
  const { name } = view.model;
  state.entries.push(entry);
  if (outcome?.kind === 'done') {
    state.tables.set(name, outcome.output);
  } else if (outcome !== undefined || ['held', 'waiting', 'pinned'].includes(action.kind)) {
    state.held.add(name);
  } else if (view.table !== undefined && view.base !== undefined) {
    state.tables.set(name, { table: view.table, snapshot: view.base });
  }
}

/** An entry as it is published. Pure. */
export function reportOf(entry: ModelEntry): ModelReport {
  const { view, action, outcome, seconds = 0 } = entry;
  const work = outcome === undefined || outcome.kind === 'failed' ? undefined : outcome.work;
  const output = outcome?.kind === 'done' ? outcome.output.snapshot.version : (view.base?.version ?? null);
  return {
    model: view.model.name,
    kind: view.model.kind.kind,
    action: outcome === undefined || outcome.kind === 'done' ? action.kind : outcome.kind,
    why: action.why,
    inputs: view.inputs.map(({ table, from, to }) => ({
      table,
      from_version: from ?? null,
      to_version: to ?? null,
    })),
    output_version: output,
    rows_in: work?.rowsIn ?? 0,
    rows_written: work?.change.rowsWritten ?? 0,
    rows_quarantined: work?.rowsQuarantined ?? 0,
    files_added: work?.change.adds.length ?? 0,
    files_removed: work?.change.removes.length ?? 0,
    seconds,
    audits: (work?.audits ?? []).map(auditReport),
    error: outcome?.kind === 'failed' ? `${outcome.error.code}: ${outcome.error.message}` : null,
  };
}
