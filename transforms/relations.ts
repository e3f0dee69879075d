import { type SqlSession, sqlName, sqlText } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import type { AddFile } from '../lakehouse/actions.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { scan } from '../lakehouse/scan.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import type { Model } from './model.ts';
import type { Project } from './project.ts';
import { type Reference, renderSql, type SqlTemplate } from './sqlTemplate.ts';

/** Rows that failed a row audit carry the audits' names here; models never read such rows. */
export const QUARANTINE = '_quarantine';

/**
 * A DuckDB session for one model, and the SQL of the tables, views and seeds that it reads. Local
 * copies of data files are kept until it is disposed.
 */
export interface Relations extends AsyncDisposable {
  readonly session: SqlSession;
  /**
   * Opens what the templates read, and says which subquery stands for which reference. `filesOf`
   * chooses a table's files; undefined: all of the snapshot.
   */
  bind(
    templates: readonly SqlTemplate[],
    filesOf: (table: string) => readonly AddFile[] | undefined,
  ): Promise<(reference: Reference) => string>;
  /** The rows of `files` of a table, as SQL; quarantined rows are left out. */
  rowsOf(table: string, files: readonly AddFile[] | undefined): Promise<string>;
}

/** Opens a session over one snapshot of each table. */
export async function openRelations(
  lake: Lake,
  project: Project,
  pins: ReadonlyMap<string, Snapshot>,
): Promise<Relations> {
  const session = await lake.duckdb.connect();
  const stack = new AsyncDisposableStack();
  stack.use(session);
  const context: Context = { lake, project, pins, session, stack };
  return {
    session,
    bind: async (templates, filesOf) => {
      const made = new Map<string, string>();
      for (const template of templates) await bindTemplate(context, { filesOf, made }, template);
      return (reference) => made.get(keyOf(reference)) ?? sqlName(reference.name);
    },
    rowsOf: (table, files) => rowsOf(context, table, files),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

// === Helpers ===

interface Context {
  readonly lake: Lake;
  readonly project: Project;
  readonly pins: ReadonlyMap<string, Snapshot>;
  readonly session: SqlSession;
  readonly stack: AsyncDisposableStack;
}

interface Scope {
  readonly filesOf: (table: string) => readonly AddFile[] | undefined;
  /** Subquery by reference, filled as they are made. */
  readonly made: Map<string, string>;
}

/**
 * Relations are subqueries, not views: DuckDB would plan a view of many files once when it is made and
 * again in each query.
 */
async function bindTemplate(context: Context, scope: Scope, template: SqlTemplate): Promise<void> {
  for (const reference of template.references) {
    if (scope.made.has(keyOf(reference))) continue;
    const view = reference.kind === 'ref' ? context.project.byName.get(reference.name) : undefined;
    scope.made.set(keyOf(reference), `(${await sqlOf(context, scope, { reference, view })})`);
  }
}

async function sqlOf(
  context: Context,
  scope: Scope,
  target: { readonly reference: Reference; readonly view: Model | undefined },
): Promise<string> {
  const { reference, view } = target;
  if (reference.kind === 'seed') return seedSql(context.project, reference.name);
  if (view?.kind.kind !== 'view') return rowsOf(context, reference.name, scope.filesOf(reference.name));
  await bindTemplate(context, scope, view.sql);
  return renderSql(view.sql, {
    relation: (inner) => scope.made.get(keyOf(inner)) ?? sqlName(inner.name),
  });
}

/** All columns as text: what a value means is said by the cast in the model, not guessed from data. */
function seedSql(project: Project, name: string): string {
  const path = project.seeds.get(name)?.path ?? '';
  return `select * from read_csv(${sqlText(path)}, header = true, all_varchar = true)`;
}

async function rowsOf(
  context: Context,
  table: string,
  files: readonly AddFile[] | undefined,
): Promise<string> {
  const snapshot = context.pins.get(table);
  if (snapshot === undefined) {
    throw fault('MODEL_INVALID', { file: table, problem: 'it is read, but is neither a model nor a source' });
  }
  const scanned = await scan(context.lake, snapshot, files === undefined ? {} : { files });
  context.stack.use(scanned);
  if (!snapshot.schema.some((f) => f.name === QUARANTINE)) return `select * from ${scanned.sql}`;
  return `select * exclude (${QUARANTINE}) from ${scanned.sql} where ${QUARANTINE} is null`;
}

function keyOf(reference: Reference): string {
  return `${reference.kind}:${reference.name}`;
}
