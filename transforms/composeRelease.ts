import { sqlName } from '../infra/core/duckdb.ts';
import type { Release } from '../lakehouse/release.ts';
import { inputTablesOf, type Project } from './project.ts';
import type { RunSummary } from './report.ts';
import type { ModelEntry, RunState } from './runState.ts';
import { renderSql } from './sqlTemplate.ts';

/**
 * The release of a finished run: sources at the versions that were read, models at the versions that
 * stand for them; models that are held back stay at their released version, marked stale. Pure.
 */
export function composeRelease(made: {
  readonly project: Project;
  readonly state: RunState;
  readonly run: string;
  readonly createdMs: number;
  readonly summary: RunSummary;
}): Release {
  const { project, state, run, createdMs, summary } = made;
  const { parent } = state;
  const tables = releasedTables(project, state);
  const stale = state.entries.filter(isStale).map((entry) => entry.view.model.name);
  const since = new Date(createdMs).toISOString();
  return {
    number: (parent?.number ?? 0) + 1,
    run,
    ...(parent === undefined ? {} : { parent: parent.number }),
    createdMs,
    tables,
    views: releasedViews(project, state, tables),
    pins: { ...parent?.pins },
    ...(parent?.grid === undefined ? {} : { grid: parent.grid }),
    staleSince: Object.fromEntries(stale.map((name) => [name, parent?.staleSince[name] ?? since])),
    summary,
  };
}

/** Whether readers would see the same in both. Pure. */
export function isSameRelease(a: Release, b: Release): boolean {
  const face = ({ tables, views, pins, staleSince, grid }: Release) =>
    JSON.stringify([tables, views, pins, Object.keys(staleSince), { ...grid }].map(sorted));
  return face(a) === face(b);
}

// === Helpers ===

function releasedTables(project: Project, state: RunState): Record<string, number> {
  const tables: Record<string, number> = {};
  for (const [name, { snapshot }] of state.tables) tables[name] = snapshot.version;
  for (const name of state.parent?.grid?.tables ?? []) tables[name] = state.parent?.tables[name] ?? 0;
  for (const { name, kind } of project.models) {
    const version = state.parent?.pins[name] ?? state.parent?.tables[name];
    if (kind.kind !== 'view' && state.held.has(name) && version !== undefined) tables[name] = version;
  }
  return tables;
}

/**
 * Views whose tables are all there, over the names that readers of a release use. Over the columns of a
 * table that is held back only the SQL of its release is sure to be right.
 */
function releasedViews(
  project: Project,
  state: RunState,
  tables: Readonly<Record<string, number>>,
): Record<string, string> {
  const views: Record<string, string> = {};
  for (const model of project.models) {
    if (model.kind.kind !== 'view') continue;
    const inputs = inputTablesOf(project, model);
    if (!inputs.every((name) => name in tables)) continue;
    const isHeld = inputs.some((name) => state.held.has(name));
    const relation = ({ name }: { name: string }) => name.split('.').map(sqlName).join('.');
    const kept = isHeld ? state.parent?.views[model.name] : undefined;
    views[model.name] = kept ?? renderSql(model.sql, { relation });
  }
  return views;
}

/** Held back, or left out by the selection while its sources moved on. A pin is no staleness: it is wanted. */
function isStale({ view, action, outcome }: ModelEntry): boolean {
  if (outcome !== undefined) return outcome.kind !== 'done';
  if (action.kind === 'held' || action.kind === 'waiting') return true;
  if (action.kind !== 'not selected') return false;
  return view.inputs.some((input) => input.from === undefined || input.gain !== 'none');
}

function sorted(value: object): unknown {
  return Array.isArray(value)
    ? value.toSorted()
    : Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
