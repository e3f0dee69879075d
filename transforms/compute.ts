import { type SqlSession, sqlName, sqlText } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import type { AddFile } from '../lakehouse/actions.ts';
import { duckdbType } from '../lakehouse/schema.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';
import { quarantineSql } from './audits.ts';
import { keepFirst } from './firstRows.ts';
import type { Gains } from './gains.ts';
import type { Model } from './model.ts';
import { differenceSql, runModelSql, sqlList } from './modelSql.ts';
import { QUARANTINE, type Relations } from './relations.ts';
import { renderSql, type SqlBinding, type SqlTemplate } from './sqlTemplate.ts';

/** What is needed to compute one model in one run. */
export interface Computation {
  readonly model: Model;
  readonly relations: Relations;
  readonly pins: ReadonlyMap<string, Snapshot>;
  /** What each input table gained since it was consumed. */
  readonly gains: ReadonlyMap<string, Gains>;
}

/**
 * Makes the temporary table `result`: all rows of the model (`full`) or those that what is new
 * determines (`incremental`), with `_quarantine` when the model has row audits, and the view `this`
 * over the rows that are not quarantined. For kinds by key and by partition it makes the table `touched` as well.
 * @throws MODEL_SQL_FAILED, LAKE_OBJECT_MISSING
 */
export async function computeResult(work: Computation, mode: 'full' | 'incremental'): Promise<void> {
  const { model, relations } = work;
  const binding = mode === 'full' ? await bindFull(work) : await bindIncremental(work);
  const body = renderSql(model.sql, binding);
  const quarantine = quarantineSql(model);
  const audited =
    quarantine === undefined
      ? `select * from (${body})`
      : `select *, ${quarantine} as ${QUARANTINE} from (${body})`;
  const query = `${audited}${keepTouched(model, mode)}`;
  await runModelSql(model, relations.session, `create or replace temp table result as ${query}`);
  await checkHeader(model, relations.session);
  await keepFirst(model, relations.session);
  const isClean = quarantine === undefined ? '' : ` where ${QUARANTINE} is null`;
  await relations.session.run(`create or replace temp view this as select * from result${isClean}`);
  await checkKeys(model, relations.session);
}

// === Helpers ===

async function bindFull({ model, relations }: Computation): Promise<SqlBinding> {
  return { relation: await relations.bind([model.sql], () => undefined) };
}

async function bindIncremental(work: Computation): Promise<SqlBinding> {
  const { model, relations, gains } = work;
  const gained = (table: string) => gains.get(table)?.adds ?? [];
  switch (model.kind.kind) {
    case 'append': {
      const { driver } = model.kind;
      const filesOf = (table: string) => (table === driver ? gained(table) : undefined);
      return { relation: await relations.bind([model.sql], filesOf) };
    }
    case 'first':
      return { relation: await relations.bind([model.sql], gained) };
    case 'key':
    case 'partition':
      return bindTouched(work, touchedColumns(model));
    case 'view':
    case 'table':
      return bindFull(work);
  }
}

async function bindTouched(work: Computation, columns: readonly string[]): Promise<SqlBinding> {
  const { model, relations } = work;
  await makeTouched(work, columns);
  const files = new Map<string, readonly AddFile[]>();
  for (const [table, predicate] of model.reads) {
    files.set(table, await filesToRead(work, table, predicate));
  }
  return {
    relation: await relations.bind([model.sql], (table) => files.get(table)),
    touched: (expressions) => `(${expressions}) in (select ${sqlList(columns)} from touched)`,
  };
}

/** The distinct keys or partitions that the changed rows of any source touch. */
async function makeTouched(work: Computation, columns: readonly string[]): Promise<void> {
  const { model, relations, gains } = work;
  const { session } = relations;
  let first = true;
  for (const [table, template] of model.touchedBy) {
    const gain = gains.get(table);
    if (gain === undefined || gain.kind === 'none') continue;
    await session.run(`create or replace temp view changed as ${await changedRows(relations, table, gain)}`);
    const relation = await relations.bind([template], () => undefined);
    const keys = `select ${sqlList(columns)} from (${renderSql(template, { relation })})`;
    const target = first ? 'create or replace temp table found as' : 'insert into found';
    await runModelSql(model, session, `${target} ${keys}`);
    first = false;
  }
  const present = columns.map((c) => `${sqlName(c)} is not null`).join(' and ');
  await session.run(`create or replace temp table touched as select distinct * from found where ${present}`);
}

/** Rows that came or went: rows that were only carried from file to file are in both and cancel out. */
async function changedRows(relations: Relations, table: string, gains: Gains): Promise<string> {
  const came = await relations.rowsOf(table, gains.adds);
  if (gains.removes.length === 0) return came;
  const went = await relations.rowsOf(table, gains.removes);
  return differenceSql(came, went);
}

/** The live files of the partitions that a `reads` predicate admits; no file is opened for that. */
async function filesToRead(work: Computation, table: string, predicate: SqlTemplate): Promise<AddFile[]> {
  const snapshot = work.pins.get(table);
  if (snapshot === undefined) return [];
  const files = [...snapshot.files.values()];
  const keyOf = (add: AddFile) =>
    JSON.stringify(snapshot.partitionColumns.map((c) => add.partitionValues[c]));
  const keys = [...new Set(files.map(keyOf))];
  if (keys.length === 0) return [];
  const columns = snapshot.partitionColumns.map((name, index) => {
    const column = snapshot.schema.find((f) => f.name === name);
    return `cast(key ->> ${index} as ${duckdbType(column?.type ?? 'string')}) as ${sqlName(name)}`;
  });
  const relation = await work.relations.bind([predicate], () => undefined);
  await runModelSql(
    work.model,
    work.relations.session,
    `create or replace temp table wanted as
     select key from (select key, ${columns.join(', ')} from (select unnest([${keys.map(sqlText).join(', ')}])::json as key))
     where ${renderSql(predicate, { relation })}`,
  );
  const rows = await work.relations.session.rows('select key from wanted');
  const wanted = new Set(rows.map((row) => String(row['key'])));
  return files.filter((add) => wanted.has(keyOf(add)));
}

/** Whatever the author filtered, only touched rows are this run's to replace. */
function keepTouched(model: Model, mode: 'full' | 'incremental'): string {
  const columns = touchedColumns(model);
  if (mode === 'full' || columns.length === 0) return '';
  return ` where (${sqlList(columns)}) in (select ${sqlList(columns)} from touched)`;
}

function touchedColumns(model: Model): readonly string[] {
  if (model.kind.kind === 'key') return model.kind.keys;
  return model.kind.kind === 'partition' ? [model.kind.column] : [];
}

/** The columns that the header names are those of the query. */
async function checkHeader(model: Model, session: SqlSession): Promise<void> {
  const { kind, partitionedBy, sortedBy } = model;
  const order = kind.kind === 'first' ? [...kind.keys, ...kind.orderBy] : touchedColumns(model);
  const rows = await session.rows('describe result');
  const columns = new Set(rows.map((row) => String(row['column_name']).toLowerCase()));
  const missing = [...order, ...partitionedBy, ...sortedBy].filter((c) => !columns.has(c.toLowerCase()));
  if (missing.length === 0) return;
  const detail = `its header names what its query has no column for: ${[...new Set(missing)].join(', ')}`;
  throw fault('MODEL_SQL_FAILED', { model: model.name, detail });
}

/** A key that is null or twice there cannot be replaced later: the model is wrong. */
async function checkKeys(model: Model, session: SqlSession): Promise<void> {
  const keys = model.kind.kind === 'first' ? model.kind.keys : touchedColumns(model);
  if (keys.length === 0) return;
  const nulls = keys.map((key) => `${sqlName(key)} is null`).join(' or ');
  // Rows of `first` are distinct by construction, partitions hold many rows.
  const packed = keys.map((key) => `${sqlName(key)} := ${sqlName(key)}`).join(', ');
  const twice = model.kind.kind === 'key' ? `count(*) - count(distinct struct_pack(${packed}))` : '0';
  const [row] = await session.rows(
    `select count(*) filter (where ${nulls}) as nulls, ${twice} as twice from result`,
  );
  const found = [
    Number(row?.['nulls']) > 0 ? `a key column is null in ${row?.['nulls']} rows` : '',
    Number(row?.['twice']) > 0 ? `${row?.['twice']} rows repeat a key` : '',
  ].filter((problem) => problem !== '');
  if (found.length > 0) throw fault('MODEL_SQL_FAILED', { model: model.name, detail: found.join('; ') });
}
