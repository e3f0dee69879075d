import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fault } from '../infra/core/errorCatalog.ts';
import { type Audit, type Model, parseModel, referencesOf } from './model.ts';
import { canonicalSql, parseSql, type Reference, type SqlTemplate } from './sqlTemplate.ts';

/** A CSV file of constants; all its columns are read as text and cast where they are used. */
export interface Seed {
  readonly name: string;
  readonly path: string;
  /** Hash of the content: a changed seed is a changed definition. */
  readonly hash: string;
}

/** All models of a content directory, checked against each other. */
export interface Project {
  /** Each after everything that it reads; ties by name. */
  readonly models: readonly Model[];
  readonly byName: ReadonlyMap<string, Model>;
  readonly seeds: ReadonlyMap<string, Seed>;
  /** Audits of `audits/*.sql` by name; `$1`, `$2` … stand for their arguments. */
  readonly audits: ReadonlyMap<string, string>;
}

/** Raised when the same definition would give other rows than before. */
const ENGINE_FORMAT = 1;

const GENERIC_AUDITS = ['not_null', 'unique', 'accepted_values', 'relationships'] as const;

/** Reads `models/**.sql`, `seeds/*.csv` and `audits/*.sql` below `dir`. @throws MODEL_INVALID */
export async function loadProject(dir: string): Promise<Project> {
  const files = globSync('models/**/*.sql', { cwd: dir }).toSorted();
  const models = await Promise.all(
    files.map(async (file) => parseModel(file, await readFile(join(dir, file), 'utf8'))),
  );
  const seeds = await Promise.all(
    globSync('seeds/*.csv', { cwd: dir }).map(async (file): Promise<Seed> => {
      const path = join(dir, file);
      return { name: basename(file, '.csv'), path, hash: digest(await readFile(path)) };
    }),
  );
  const audits = await Promise.all(
    globSync('audits/*.sql', { cwd: dir }).map(
      async (file) => [basename(file, '.sql'), await readFile(join(dir, file), 'utf8')] as const,
    ),
  );
  return buildProject({ models, seeds, audits: new Map(audits) });
}

/** Orders and checks the models. Pure. @throws MODEL_INVALID */
export function buildProject(parts: {
  models: readonly Model[];
  seeds: readonly Seed[];
  audits: ReadonlyMap<string, string>;
}): Project {
  const byName = new Map<string, Model>();
  for (const model of parts.models) {
    const twin = byName.get(model.name);
    if (twin !== undefined) throw invalid(model, `'${model.name}' is also defined in ${twin.file}`);
    byName.set(model.name, model);
  }
  const seeds = new Map(parts.seeds.map((seed) => [seed.name, seed]));
  const project = { models: inDependencyOrder(byName, parts.audits), byName, seeds, audits: parts.audits };
  for (const model of project.models) checkModel(project, model);
  return project;
}

/** Models that `model` reads directly, audits included. Pure. */
function parentsOf(project: Pick<Project, 'byName' | 'audits'>, model: Model): string[] {
  const named = allReferencesOf(project, model).filter((r) => r.kind === 'ref');
  const related = model.audits.flatMap((a) => relatedTable(a) ?? []);
  return [...new Set([...named.map((r) => r.name), ...related])].filter((name) => project.byName.has(name));
}

/** Tables whose rows determine the model, through views, in order of name. Pure. */
export function inputTablesOf(project: Project, model: Model): string[] {
  const tables = new Set<string>();
  const visit = (templates: readonly SqlTemplate[]): void => {
    for (const { kind, name } of templates.flatMap((t) => t.references)) {
      const upstream = kind === 'ref' ? project.byName.get(name) : undefined;
      if (upstream?.kind.kind === 'view') visit([upstream.sql]);
      else if (kind !== 'seed') tables.add(name);
    }
  };
  visit([model.sql, ...model.touchedBy.values()]);
  return [...tables].toSorted();
}

/** Tables that only the model's audits read. Pure. */
export function auditTablesOf(project: Project, model: Model): string[] {
  const inputs = new Set(inputTablesOf(project, model));
  return parentsOf(project, model).filter(
    (name) => project.byName.get(name)?.kind.kind !== 'view' && !inputs.has(name),
  );
}

/** Views that the model reads, directly or through views, each after those that it reads. Pure. */
export function viewsReadBy(project: Project, model: Model): Model[] {
  const found = new Set<string>();
  const visit = (name: string): void => {
    const view = project.byName.get(name);
    if (view === undefined) return;
    for (const parent of parentsOf(project, view)) {
      if (project.byName.get(parent)?.kind.kind === 'view') visit(parent);
    }
    if (name !== model.name) found.add(name);
  };
  visit(model.name);
  return [...found].flatMap((name) => project.byName.get(name) ?? []);
}

/** Seeds that determine the model, through views. Pure. */
function seedsReadBy(project: Project, model: Model): Seed[] {
  const references = [model, ...viewsReadBy(project, model)].flatMap(referencesOf);
  const names = new Set(references.filter((r) => r.kind === 'seed').map((r) => r.name));
  return [...names].toSorted().flatMap((name) => project.seeds.get(name) ?? []);
}

/**
 * A hash of everything that determines the model's rows: its SQL, kind, touched-by, audits, the
 * content of its seeds, the views between it and its tables. Comments and white space do not count. Pure.
 */
export function definitionHash(project: Project, model: Model): string {
  const sqlOf = (templates: ReadonlyMap<string, SqlTemplate>) =>
    [...templates].map(([name, template]) => [name, canonicalSql(template)]).toSorted();
  const definition = {
    format: ENGINE_FORMAT,
    kind: model.kind,
    partitionedBy: model.partitionedBy,
    sql: canonicalSql(model.sql),
    touchedBy: sqlOf(model.touchedBy),
    reads: sqlOf(model.reads),
    audits: model.audits.map(({ name, scope, severity, test, sql }) => ({
      name,
      scope,
      severity,
      sql: canonicalSql(sql ?? fileSqlOf(project, test)),
    })),
    seeds: seedsReadBy(project, model).map(({ name, hash }) => [name, hash]),
    views: viewsReadBy(project, model).map((view) => [view.name, canonicalSql(view.sql)]),
  };
  return digest(JSON.stringify(definition));
}

/** The named models and everything that reads them, directly or not. Pure. */
export function withDescendants(project: Project, names: Iterable<string>): Set<string> {
  const reached = new Set(names);
  for (const model of project.models) {
    if (parentsOf(project, model).some((parent) => reached.has(parent))) reached.add(model.name);
  }
  return reached;
}

/** The named models and everything that they read, directly or not. Pure. */
function withAncestors(project: Project, names: Iterable<string>): Set<string> {
  const reached = new Set(names);
  for (const model of project.models.toReversed()) {
    if (reached.has(model.name)) for (const parent of parentsOf(project, model)) reached.add(parent);
  }
  return reached;
}

/**
 * The models that the selectors name: `layer.name`, `layer` (all of it), `name+` with descendants,
 * `+name` with ancestors; no selector selects all. Pure. @throws MODEL_UNKNOWN
 */
export function selectModels(project: Project, selectors: readonly string[]): Set<string> {
  if (selectors.length === 0) return new Set(project.byName.keys());
  const selected = new Set<string>();
  for (const selector of selectors) {
    const wanted = selector.replace(/^\+/, '').replace(/\+$/, '');
    const named = [...project.byName.keys()].filter((n) => n === wanted || n.startsWith(`${wanted}.`));
    if (named.length === 0) {
      throw fault('MODEL_UNKNOWN', { selector, known: [...project.byName.keys()].join(', ') });
    }
    const down = selector.endsWith('+') ? withDescendants(project, named) : named;
    const up = selector.startsWith('+') ? withAncestors(project, named) : [];
    for (const name of [...named, ...down, ...up]) selected.add(name);
  }
  return selected;
}

/** The table that a `relationships(column, table, column)` audit looks into. Pure. */
function relatedTable(audit: Audit): string | undefined {
  return audit.test === 'relationships' ? audit.arguments[1] : undefined;
}

// === Helpers ===

/** What a model reads directly, the audits of files included. */
function allReferencesOf(project: Pick<Project, 'audits'>, model: Model): Reference[] {
  const ofFiles = model.audits.flatMap(({ test }) => fileSqlOf(project, test).references);
  return [...referencesOf(model), ...ofFiles];
}

/** The SQL of a file of `audits/`; empty when there is none of this name. */
function fileSqlOf({ audits }: Pick<Project, 'audits'>, test: string): SqlTemplate {
  return parseSql(audits.get(test) ?? '');
}

function inDependencyOrder(byName: ReadonlyMap<string, Model>, audits: ReadonlyMap<string, string>): Model[] {
  const ordered = new Set<Model>();
  const open = new Set<string>();
  const visit = (model: Model): void => {
    if (ordered.has(model)) return;
    if (open.has(model.name)) throw invalid(model, `it reads itself through ${[...open].join(' → ')}`);
    open.add(model.name);
    for (const parent of parentsOf({ byName, audits }, model)) visit(byName.get(parent) as Model);
    open.delete(model.name);
    ordered.add(model);
  };
  for (const name of [...byName.keys()].toSorted()) visit(byName.get(name) as Model);
  return [...ordered];
}

function checkModel(project: Project, model: Model): void {
  for (const { kind, name } of allReferencesOf(project, model)) {
    if (kind === 'ref' && !project.byName.has(name)) throw invalid(model, `ref('${name}') is no model`);
    if (kind === 'source' && project.byName.has(name)) {
      throw invalid(model, `source('${name}') is a model: write ref('${name}')`);
    }
    if (kind === 'seed' && !project.seeds.has(name)) throw invalid(model, `there is no seeds/${name}.csv`);
    if (kind === 'seed' && model.kind.kind === 'view') {
      throw invalid(model, `a view is read where seeds are not: make a table of seed('${name}')`);
    }
  }
  checkSources(project, model);
  for (const audit of model.audits) checkAudit(project, model, audit);
}

function checkSources(project: Project, model: Model): void {
  const inputs = inputTablesOf(project, model);
  for (const name of [...model.touchedBy.keys(), ...model.reads.keys()]) {
    if (!inputs.includes(name)) throw invalid(model, `it does not read the table '${name}' of its header`);
  }
  for (const [name, predicate] of model.reads) {
    if (predicate.references.length > 0) throw invalid(model, `'reads ${name}' reads another table`);
  }
  const kind = model.kind;
  if (kind.kind === 'append' && !inputs.includes(kind.driver)) {
    throw invalid(model, `its driving source '${kind.driver}' is not read`);
  }
  if (kind.kind !== 'key' && kind.kind !== 'partition') return;
  const silent = inputs.find((name) => !model.touchedBy.has(name));
  if (silent !== undefined) throw invalid(model, `'touched by ${silent}' is missing`);
}

function checkAudit(project: Project, model: Model, audit: Audit): void {
  const generic = (GENERIC_AUDITS as readonly string[]).includes(audit.test);
  if (audit.sql === undefined && !generic && !project.audits.has(audit.test)) {
    throw invalid(model, `audit '${audit.name}' is neither generic nor a file of audits/`);
  }
  if (model.kind.kind === 'view') throw invalid(model, `a view has no rows to audit: '${audit.name}'`);
  const isPredicate = audit.sql !== undefined || ['not_null', 'accepted_values'].includes(audit.test);
  if (audit.scope === 'row' && !isPredicate) {
    throw invalid(model, `audit '${audit.name}' is no predicate on one row: make it 'set'`);
  }
  // A row's audit may not depend on other tables: whether it holds would depend on when it ran.
  if (audit.scope === 'row' && (audit.sql?.references.length ?? 0) > 0) {
    throw invalid(model, `row audit '${audit.name}' reads another table: make it 'set'`);
  }
}

function invalid(model: Model, problem: string): Error {
  return fault('MODEL_INVALID', { file: model.file, problem });
}

function digest(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}
