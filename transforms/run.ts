import { randomUUID } from 'node:crypto';
import { fault } from '../infra/core/errorCatalog.ts';
import { classifyError } from '../infra/core/errors.ts';
import type { Logger } from '../infra/core/ports.ts';
import { jitteredBackoff } from '../infra/core/retry.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { newestRelease, publishRelease } from '../lakehouse/release.ts';
import { listTables, openTable } from '../lakehouse/table.ts';
import { composeRelease, isSameRelease } from './composeRelease.ts';
import { type ModelView, type PinnedTable, runStep, viewModel } from './modelStep.ts';
import { type Project, selectModels } from './project.ts';
import type { ModelReport, RunReport } from './report.ts';
import { decideFor, goesWithSources, type RunState, reportOf, settle } from './runState.ts';
import { projectRuns, recordFailedRun, recordUnpublishedRun } from './runsTable.ts';

export interface RunDeps {
  readonly lake: Lake;
  readonly project: Project;
  readonly log: Logger;
}

export interface RunRequest {
  /** Selectors as in `selectModels`; none: all models. */
  readonly select?: readonly string[];
  /** Called after each model. */
  readonly onModel?: (report: ModelReport) => void;
  readonly signal?: AbortSignal;
}

/** Runs of others that are lost against before giving up; each try starts from fresh heads. */
const TRIES = 8;

/** Layer of the tables that come from outside; everything else is a model or an operations table. */
const SOURCE_LAYER = 'bronze.';

/**
 * One run: pins a version of every source, brings each selected model up to date in dependency order
 * and publishes all of it as one release. What fails or is blocked keeps its released version, with
 * everything that reads it. Two runners at once are safe: who loses plans again.
 * @throws RUN_CONTENDED, MODEL_UNKNOWN, and errors of the object store
 */
export async function runModels(deps: RunDeps, request: RunRequest = {}): Promise<RunReport> {
  const startedMs = deps.lake.clock.nowMs();
  try {
    return await runUntilPublished(deps, request);
  } catch (error) {
    if (!request.signal?.aborted) await noteFailure(deps, { startedMs, error });
    throw error;
  }
}

/** What a run would do now, model by model; nothing is written. */
export async function planRun(deps: RunDeps, request: RunRequest = {}): Promise<ModelReport[]> {
  const state = await openRun(deps, request, 'plan');
  const expected = new Set<string>();
  for (const model of deps.project.models) {
    const view = await viewModel({ ...deps, run: 'plan', tables: state.tables }, model);
    // A model that will change upstream is a source that will have gained rows.
    const inputs = view.inputs.map((input) =>
      expected.has(input.table) && input.gain === 'none'
        ? { ...input, to: input.to ?? 0, gain: 'append' as const }
        : input,
    );
    const action = decideFor(state, { ...view, inputs });
    if (action.kind === 'full' || action.kind === 'incremental') expected.add(model.name);
    settle(state, { view, action });
  }
  return state.entries.map((entry) => reportOf(entry));
}

// === Helpers ===

async function runUntilPublished(deps: RunDeps, request: RunRequest): Promise<RunReport> {
  const { lake, log } = deps;
  const run = randomUUID();
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const report = await tryRun(deps, request, run);
    if ('outcome' in report) {
      await projectRuns(lake);
      if (report.outcome === 'unchanged') await recordUnpublishedRun(lake, report);
      return report;
    }
    log.info({ run, attempt, why: report.why }, 'another run was faster; planning again');
    await lake.clock.sleep(jitteredBackoff(attempt), request.signal);
  }
  throw fault('RUN_CONTENDED', { tries: TRIES });
}

/** The error that ended the run is what the caller sees, also when the lake cannot take the note. */
async function noteFailure(deps: RunDeps, failure: { startedMs: number; error: unknown }): Promise<void> {
  const { code, message } = classifyError(failure.error);
  try {
    await recordFailedRun(deps.lake, { startedMs: failure.startedMs, error: `${code}: ${message}` });
  } catch (error) {
    deps.log.warn({ err: error }, 'the failed run could not be noted in the lake');
  }
}

/** One try from fresh heads, or why it has to start over. */
async function tryRun(
  deps: RunDeps,
  request: RunRequest,
  run: string,
): Promise<RunReport | { readonly why: string }> {
  const { lake, project } = deps;
  const startedMs = lake.clock.nowMs();
  const state = await openRun(deps, request, run);
  for (const model of project.models) {
    request.signal?.throwIfAborted();
    const view = await viewModel({ ...deps, run, tables: state.tables }, model);
    const why = await runOne(deps, state, view);
    if (why !== undefined) return { why };
    const entry = state.entries.at(-1);
    if (entry !== undefined && entry.view.model.kind.kind !== 'view') request.onModel?.(reportOf(entry));
  }
  const summary = {
    started_at: new Date(startedMs).toISOString(),
    finished_at: new Date(lake.clock.nowMs()).toISOString(),
    models: state.entries.filter((e) => e.view.model.kind.kind !== 'view').map((entry) => reportOf(entry)),
  };
  const release = composeRelease({ project, state, run, createdMs: lake.clock.nowMs(), summary });
  if (state.parent !== undefined && isSameRelease(state.parent, release)) {
    return { run, outcome: 'unchanged', release: state.parent.number, summary };
  }
  lake.crashPoint('before-release');
  const put = await publishRelease(lake, release);
  lake.crashPoint('after-release');
  if (put === 'taken') return { why: `release ${release.number} was published by another run` };
  return { run, outcome: 'published', release: release.number, summary };
}

async function openRun(deps: RunDeps, request: RunRequest, run: string): Promise<RunState> {
  const { lake, project } = deps;
  const selected = selectModels(project, request.select ?? []);
  // The release is read before the heads: heads that are newer than it are then always seen.
  const parent = await newestRelease(lake.store);
  const tables = new Map<string, PinnedTable>();
  for (const name of await listTables(lake)) {
    if (!name.startsWith(SOURCE_LAYER) || project.byName.has(name)) continue;
    const table = await openTable(lake, name);
    if (table !== undefined) tables.set(name, { table, snapshot: await table.snapshot() });
  }
  return { run, parent, selected, tables, held: new Set(), entries: [] };
}

/** Runs or skips one model and notes the outcome; a reason when the whole run has to start over. */
async function runOne(deps: RunDeps, state: RunState, view: ModelView): Promise<string | undefined> {
  const { lake } = deps;
  const action = decideFor(state, view);
  if (view.behind !== undefined && goesWithSources(action))
    return `${view.behind} was consumed beyond what this run reads`;
  if (action.kind !== 'full' && action.kind !== 'incremental') {
    settle(state, { view, action });
    return undefined;
  }
  const startedMs = lake.clock.nowMs();
  const outcome = await runStep({ ...deps, run: state.run, tables: state.tables }, view, action);
  if (outcome.kind === 'replan') return outcome.why;
  const seconds = (lake.clock.nowMs() - startedMs) / 1_000;
  settle(state, { view, action: outcome.action, outcome, seconds });
  if (outcome.kind !== 'done') {
    deps.log.warn(
      {
        model: view.model.name,
        outcome: outcome.kind,
        err: outcome.kind === 'failed' ? outcome.error : undefined,
      },
      'a model keeps its released version',
    );
  }
  return undefined;
}
