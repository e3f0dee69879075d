import type { SqlSession } from '../infra/core/duckdb.ts';
import { sqlText } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';

/**
 * The gate in front of DuckDB: what one statement of a stranger may be. It walks the syntax tree that
 * DuckDB's own parser makes, and everything that it does not know is refused.
 *
 * Steps: parse → exactly one SELECT → every node of a known kind, tables by schema and name or by the
 * name of a CTE in scope, table functions of a short list, scalar functions not on a list of those
 * that reach out of the query or allocate what `memory_limit` does not count.
 */

/** A table that a statement reads, as it was written; `offset` counts bytes of the SQL. */
export interface TableMention {
  readonly schema: string;
  readonly table: string;
  readonly offset: number | undefined;
}

/** More than any written query needs; chains of operators cost planning time that grows squared. */
const GATE_LIMITS = Object.freeze({ sqlBytes: 65_536, depth: 400, nodes: 20_000, tables: 60 });

/**
 * The tables that `sql` reads, when it is one SELECT that the gate lets through. `parser` must be a
 * session without access to data: the text is only parsed there.
 * @throws SQL_SYNTAX, SQL_REFUSED
 */
export async function admitStatement(parser: SqlSession, sql: string): Promise<readonly TableMention[]> {
  if (Buffer.byteLength(sql) > GATE_LIMITS.sqlBytes) {
    throw refused(`the statement is longer than ${GATE_LIMITS.sqlBytes} bytes`);
  }
  const mentions = await walkStatement(parser, { sql, isTrusted: false });
  if (mentions.length > GATE_LIMITS.tables) {
    throw refused(`more than ${GATE_LIMITS.tables} tables in one statement`);
  }
  return mentions;
}

/** The tables that a query of our own reads; it may use any function. @throws SQL_SYNTAX, SQL_REFUSED */
export function mentionedTables(parser: SqlSession, sql: string): Promise<readonly TableMention[]> {
  return walkStatement(parser, { sql, isTrusted: true });
}

/** The line of `sql` that holds byte `offset` with a caret under it, as DuckDB prints it. Pure. */
export function caret(sql: string, offset: number | undefined): string {
  const bytes = Buffer.from(sql);
  if (offset === undefined || offset > bytes.length) return '';
  const before = bytes.subarray(0, offset).toString();
  const line = before.split('\n').length;
  const column = before.length - (before.lastIndexOf('\n') + 1);
  const prefix = `LINE ${line}: `;
  return `\n\n${prefix}${sql.split('\n')[line - 1] ?? ''}\n${' '.repeat(prefix.length + column)}^`;
}

// === Helpers ===

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

type ParserAnswer =
  | { error: true; error_type: string; error_message: string; position?: string }
  | { error: false; statements: readonly Json[] };

interface Walk {
  readonly sql: string;
  /** Functions are not judged. */
  readonly isTrusted: boolean;
  readonly mentions: TableMention[];
  nodes: number;
}

/** Where in the tree: the names of CTEs that are visible, in lower case, and the depth. */
interface Place {
  readonly scope: ReadonlySet<string>;
  readonly depth: number;
}

const QUERY_NODES = new Set(['SELECT_NODE', 'SET_OPERATION_NODE', 'RECURSIVE_CTE_NODE', 'CTE_NODE']);

const TABLE_REFS = new Set(['JOIN', 'SUBQUERY', 'EMPTY', 'EXPRESSION_LIST', 'PIVOT']);

const TABLE_FUNCTIONS = new Set(['range', 'generate_series', 'unnest', 'json_each']);

const EXPRESSIONS = new Set([
  'BETWEEN',
  'CASE',
  'CAST',
  'COLLATE',
  'COLUMN_REF',
  'COMPARISON',
  'CONJUNCTION',
  'LAMBDA',
  'OPERATOR',
  'POSITIONAL_REFERENCE',
  'STAR',
  'SUBQUERY',
  'TYPE',
]);

/** Parts of a query that are neither expressions nor tables: modifiers, orders, types of casts. */
const PARTS = /^(\w+_MODIFIER|ORDER_DEFAULT|ASCENDING|DESCENDING|\w+_TYPE_INFO)$/;

/** Functions that wait, read the settings, write, show how views are built, or change sequences. */
const DENIED_FUNCTIONS = new Set([
  'create_sort_key',
  'currval',
  'current_query',
  'current_setting',
  'equi_width_bins',
  'error',
  'generate_series',
  'getenv',
  'getvariable',
  'json_deserialize_sql',
  'json_execute_serialized_sql',
  'json_serialize_plan',
  'json_serialize_sql',
  'nextval',
  'parse_duckdb_log_message',
  'pg_get_viewdef',
  'pg_sleep',
  'query',
  'query_table',
  'range',
  'setseed',
  'sleep_ms',
  'write_log',
]);

/** Functions whose result grows with a number: allowed when that argument is a small literal. */
const SIZED_FUNCTIONS = new Map([
  ['array_resize', 1],
  ['bitstring', 1],
  ['list_resize', 1],
  ['lpad', 1],
  ['repeat', 1],
  ['rpad', 1],
]);
const MAX_SIZE = 1_000;

async function walkStatement(
  parser: SqlSession,
  { sql, isTrusted }: Pick<Walk, 'sql' | 'isTrusted'>,
): Promise<readonly TableMention[]> {
  const [row] = await parser.rows(`select json_serialize_sql(${sqlText(sql)}) as tree`);
  const tree = JSON.parse(String(row?.['tree'])) as ParserAnswer;
  if (tree.error) throw parserFault(tree, sql);
  if (tree.statements.length !== 1) {
    throw refused(`one SELECT statement is expected, there are ${tree.statements.length}`);
  }
  const walk: Walk = { sql, isTrusted, mentions: [], nodes: 0 };
  visit(tree.statements[0], { scope: new Set(), depth: 0 }, walk);
  return walk.mentions;
}

function visit(node: Json | undefined, place: Place, walk: Walk): void {
  if (node === null || typeof node !== 'object' || node === undefined) return;
  if (place.depth > GATE_LIMITS.depth) throw refused('the statement is nested too deeply');
  walk.nodes += 1;
  if (walk.nodes > GATE_LIMITS.nodes) throw refused('the statement is too large');
  if (Array.isArray(node)) {
    for (const item of node) visit(item, deeper(place), walk);
    return;
  }
  visitObject(node as JsonObject, place, walk);
}

function visitObject(node: JsonObject, place: Place, walk: Walk): void {
  if (node['class'] !== undefined) visitExpression(node, place, walk);
  else if (node['type'] === 'BASE_TABLE') visitTable(node, place, walk);
  else if (node['type'] === 'TABLE_FUNCTION') visitTableFunction(node, place, walk);
  else visitQueryPart(node, place, walk);
}

function visitQueryPart(node: JsonObject, place: Place, walk: Walk): void {
  const { type } = node;
  if (type === 'SHOW_REF' && node['query'] === null) {
    throw refused('SHOW is not available; `select * from ops.tables` lists the tables', walk, node);
  }
  if (typeof type === 'string') {
    const known = QUERY_NODES.has(type) || TABLE_REFS.has(type) || type === 'SHOW_REF' || PARTS.test(type);
    if (!known) throw refused(`${type} is not known to the gate`, walk, node);
  }
  visitChildren(node, within(node, place), walk);
}

function visitExpression(node: JsonObject, place: Place, walk: Walk): void {
  const kind = String(node['class']);
  if (kind === 'CONSTANT') return;
  if (kind === 'FUNCTION' || kind === 'WINDOW') checkFunction(node, walk);
  else if (!EXPRESSIONS.has(kind)) throw refused(`${kind.toLowerCase()} is not allowed here`, walk, node);
  visitChildren(node, place, walk);
}

function visitTable(node: JsonObject, { scope }: Place, walk: Walk): void {
  const { schema_name: schema, table_name: table, catalog_name: catalog, at_clause: at } = node;
  if (at !== null && at !== undefined) {
    throw refused('AT is not available; open an older release instead', walk, node);
  }
  if (catalog !== '') throw refused('tables are named schema.table, without a catalogue', walk, node);
  if (schema === '' && scope.has(String(table).toLowerCase())) return;
  walk.mentions.push({ schema: String(schema), table: String(table), offset: offsetOf(node) });
}

function visitTableFunction(node: JsonObject, place: Place, walk: Walk): void {
  const call = node['function'] as JsonObject;
  const name = String(call['function_name']).toLowerCase();
  if (!walk.isTrusted && !(TABLE_FUNCTIONS.has(name) && inMain(call))) {
    throw refused(`table function ${name} is not allowed`, walk, node);
  }
  visitChildren(call, deeper(place), walk);
}

function checkFunction(node: JsonObject, walk: Walk): void {
  if (walk.isTrusted) return;
  const name = String(node['function_name']).toLowerCase();
  if (DENIED_FUNCTIONS.has(name) || !inMain(node))
    throw refused(`function ${name} is not allowed`, walk, node);
  const sized = SIZED_FUNCTIONS.get(name);
  if (sized !== undefined && !isSmallLiteral(argument(node, sized))) {
    throw refused(`${name} needs a literal of at most ${MAX_SIZE} as its size`, walk, node);
  }
  if ((name === 'format' || name === 'printf') && !isPlainFormat(argument(node, 0))) {
    throw refused(`${name} needs a literal format without wide fields`, walk, node);
  }
}

function visitChildren(node: JsonObject, place: Place, walk: Walk): void {
  for (const child of Object.values(node)) visit(child, deeper(place), walk);
}

/** The place inside `node`: CTEs of a query are visible in it, a recursive one in itself. */
function within(node: JsonObject, place: Place): Place {
  const entries = (node['cte_map'] as { map?: readonly { key: string }[] } | undefined)?.map ?? [];
  const names = entries.map(({ key }) => key.toLowerCase());
  if (typeof node['cte_name'] === 'string') names.push(node['cte_name'].toLowerCase());
  return names.length === 0 ? place : { ...place, scope: new Set([...place.scope, ...names]) };
}

function deeper({ scope, depth }: Place): Place {
  return { scope, depth: depth + 1 };
}

function inMain(call: JsonObject): boolean {
  const { schema, catalog } = call;
  return (schema === '' || schema === 'main') && (catalog === '' || catalog === 'system');
}

function argument(call: JsonObject, index: number): JsonObject | undefined {
  const children = call['children'];
  return Array.isArray(children) ? (children[index] as JsonObject | undefined) : undefined;
}

function isSmallLiteral(node: JsonObject | undefined): boolean {
  const literal = literalOf(node);
  return typeof literal === 'number' && literal <= MAX_SIZE;
}

/** No width above three digits, none taken from an argument. */
function isPlainFormat(node: JsonObject | undefined): boolean {
  const literal = literalOf(node);
  return typeof literal === 'string' && !/\d{4,}|\*|\{[^}]*\{/.test(literal);
}

function literalOf(node: JsonObject | undefined): Json | undefined {
  if (node?.['class'] !== 'CONSTANT') return undefined;
  return (node['value'] as JsonObject)['value'];
}

function offsetOf(node: JsonObject): number | undefined {
  const offset = node['query_location'];
  return typeof offset === 'number' && offset < GATE_LIMITS.sqlBytes ? offset : undefined;
}

function parserFault(answer: { error_type: string; error_message: string; position?: string }, sql: string) {
  if (answer.error_type !== 'parser') return refused('only one SELECT statement is allowed');
  const offset = answer.position === undefined ? undefined : Number(answer.position);
  return fault('SQL_SYNTAX', { detail: `${answer.error_message}${caret(sql, offset)}` });
}

function refused(detail: string, walk?: Walk, node?: JsonObject) {
  const where = walk !== undefined && node !== undefined ? caret(walk.sql, offsetOf(node)) : '';
  return fault('SQL_REFUSED', { detail: `${detail}${where}` });
}
