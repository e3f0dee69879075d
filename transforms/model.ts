import { fault } from '../infra/core/errorCatalog.ts';
import { parseSql, type Reference, type SqlTemplate, splitArguments } from './sqlTemplate.ts';

/**
 * How a model's table follows its sources.
 * - `view`: no table; its SQL is part of the release.
 * - `table`: computed whole when a source changed.
 * - `append`: rows of new rows of one driving source are added, never changed.
 * - `first`: of the rows of one key the first by an order; the SQL maps source rows one by one.
 * - `partition`, `key`: touched partitions or keys are computed again from full snapshots.
 */
export type ModelKind =
  | { readonly kind: 'view' }
  | { readonly kind: 'table' }
  | { readonly kind: 'append'; readonly driver: string }
  | { readonly kind: 'first'; readonly keys: readonly string[]; readonly orderBy: readonly string[] }
  | { readonly kind: 'partition'; readonly column: string }
  | { readonly kind: 'key'; readonly keys: readonly string[] };

export interface Audit {
  /** As written, unique in the model: `not_null(hour)`. */
  readonly name: string;
  readonly test: string;
  readonly arguments: readonly string[];
  /** `row`: a predicate that each row keeps. `set`: a query that finds the offending rows. */
  readonly scope: 'row' | 'set';
  /** `error` quarantines rows and blocks sets; `warn` counts. */
  readonly severity: 'error' | 'warn';
  /** Own SQL; none: `test` is generic or a file of `audits/`. */
  readonly sql: SqlTemplate | undefined;
}

export interface Model {
  readonly name: string;
  /** Path relative to the models' directory, for messages. */
  readonly file: string;
  readonly description: string;
  /** Columns that identify a row. */
  readonly grain: readonly string[];
  readonly owner: string;
  readonly kind: ModelKind;
  readonly partitionedBy: readonly string[];
  readonly sortedBy: readonly string[];
  readonly sql: SqlTemplate;
  /** By source: SQL over `changed` that gives the touched keys or partitions. */
  readonly touchedBy: ReadonlyMap<string, SqlTemplate>;
  /** By source: predicate over its partition columns and `touched`; other partitions are not read. */
  readonly reads: ReadonlyMap<string, SqlTemplate>;
  readonly audits: readonly Audit[];
  /** Output columns with their comment. */
  readonly columnDocs: ReadonlyMap<string, string>;
}

const MODEL_NAME = /^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$/;

/** Parses one model file: a header of `-- key: value` lines, then one query. @throws MODEL_INVALID */
export function parseModel(file: string, text: string): Model {
  const fail = (problem: string) => fault('MODEL_INVALID', { file, problem });
  const { entries, body } = splitHeader(text, fail);
  const required = (key: string): string => {
    const value = entries.get(key);
    if (value === undefined) throw fail(`the header has no '${key}'`);
    return value;
  };
  const name = required('name');
  if (!MODEL_NAME.test(name)) throw fail(`'${name}' is no name of the form layer.table`);
  const kind = parseKind(required('kind'), fail);
  const partitionedBy = columns(entries.get('partitioned by'));
  return {
    name,
    file,
    description: required('description'),
    grain: columns(required('grain')),
    owner: required('owner'),
    kind,
    partitionedBy: kind.kind === 'partition' ? [kind.column] : partitionedBy,
    sortedBy: columns(entries.get('sorted by')),
    sql: parseSql(body),
    touchedBy: templatesOf(entries, 'touched by '),
    reads: templatesOf(entries, 'reads '),
    audits: [...entries].flatMap(([key, value]) =>
      key.startsWith('audit ') ? [parseAudit(key.slice(6), value, fail)] : [],
    ),
    columnDocs: parseColumnDocs(body),
  };
}

/** The names that a model reads directly, by kind of reference, its touched-by and audits included. */
export function referencesOf(model: Model): readonly Reference[] {
  const templates = [model.sql, ...model.touchedBy.values(), ...model.audits.flatMap((a) => a.sql ?? [])];
  const byText = new Map<string, Reference>();
  for (const template of templates) {
    for (const reference of template.references) {
      byText.set(`${reference.kind}:${reference.name}`, reference);
    }
  }
  return [...byText.values()];
}

// === Helpers ===

type Fail = (problem: string) => Error;

const HEADER_KEYS =
  /^(name|description|grain|owner|kind|partitioned by|sorted by|touched by \S+|reads \S+|audit .+?):(?:\s+|$)/;

/** A line `-- key: value` opens an entry, a line of `--` and three or more spaces goes on with it. */
function splitHeader(text: string, fail: Fail): { entries: Map<string, string>; body: string } {
  const entries = new Map<string, string>();
  const lines = text.split('\n');
  let key: string | undefined;
  let index = 0;
  for (; lines[index]?.startsWith('--'); index += 1) {
    const line = (lines[index] as string).slice(2);
    const opened = HEADER_KEYS.exec(line.trimStart());
    if (/^ {3,}/.test(line) && key !== undefined) {
      entries.set(key, `${entries.get(key)}\n${line.trim()}`.trim());
    } else if (opened !== null) {
      key = opened[1] as string;
      if (entries.has(key)) throw fail(`the header has '${key}' twice`);
      entries.set(key, line.trimStart().slice(opened[0].length).trim());
    } else if (line.trim() !== '') {
      throw fail(`the header line '--${line}' is no 'key: value' that models know`);
    }
  }
  const body = lines.slice(index).join('\n').trim().replace(/;$/, '');
  if (body === '') throw fail('there is no query below the header');
  return { entries, body };
}

function parseKind(text: string, fail: Fail): ModelKind {
  const match = /^(\w+)(?:\((.*?)\))?(?: by \((.*)\))?$/.exec(text);
  const [, word, list, order] = match ?? [];
  const names = columns(list);
  const [only] = names;
  if (word === 'view' || word === 'table') return { kind: word };
  if (only === undefined) throw fail(`the kind '${text}' names no column or source`);
  if (word === 'append') return { kind: 'append', driver: only };
  if (word === 'partition') return { kind: 'partition', column: only };
  if (word === 'key') return { kind: 'key', keys: names };
  if (word === 'first' && order !== undefined) return { kind: 'first', keys: names, orderBy: columns(order) };
  throw fail(`'${text}' is none of view, table, append(…), first(…) by (…), partition(…), key(…)`);
}

function parseAudit(name: string, value: string, fail: Fail): Audit {
  const match = /^(row|set) (error|warn)\b\s*([\s\S]*)$/.exec(value);
  const called = /^(\w+)(?:\((.*)\))?$/.exec(name);
  if (match === null || called === null) throw fail(`audit '${name}' is not 'row|set error|warn [sql]'`);
  const [, scope, severity, sql = ''] = match;
  return {
    name,
    test: called[1] as string,
    arguments: splitArguments(called[2] ?? ''),
    scope: scope as Audit['scope'],
    severity: severity as Audit['severity'],
    sql: sql === '' ? undefined : parseSql(sql),
  };
}

function templatesOf(entries: ReadonlyMap<string, string>, prefix: string): Map<string, SqlTemplate> {
  const templates = new Map<string, SqlTemplate>();
  for (const [key, value] of entries) {
    if (key.startsWith(prefix)) templates.set(key.slice(prefix.length), parseSql(value));
  }
  return templates;
}

/** Comments of the form `expression as name, -- what it is` at the end of a line; the last one wins. */
function parseColumnDocs(body: string): Map<string, string> {
  const docs = new Map<string, string>();
  for (const line of body.split('\n')) {
    const match = /(\w+),?\s+-- (.+)$/.exec(line);
    if (match !== null) docs.set(match[1] as string, (match[2] as string).trim());
  }
  return docs;
}

function columns(list: string | undefined): string[] {
  return (list ?? '')
    .split(',')
    .map((column) => column.trim())
    .filter((column) => column !== '');
}
