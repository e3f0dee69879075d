import { type SqlRow, sqlText } from '../infra/core/duckdb.ts';
import type { Audit, Model } from './model.ts';
import { runModelSql } from './modelSql.ts';
import type { Project } from './project.ts';
import type { Relations } from './relations.ts';
import { parseSql, renderSql, type SqlTemplate } from './sqlTemplate.ts';

export interface AuditResult {
  readonly name: string;
  readonly scope: 'row' | 'set';
  readonly severity: 'error' | 'warn';
  /** Rows that offend. */
  readonly failures: number;
  /** Some of them, for people. */
  readonly examples: readonly SqlRow[];
}

const EXAMPLES = 5;

/**
 * The value of `_quarantine` for a row: the names of the row audits of severity error that it
 * breaks, null when it keeps all. As with SQL's CHECK, a predicate that is null is kept. Pure.
 */
export function quarantineSql(model: Model): string | undefined {
  const audits = model.audits.filter((a) => a.scope === 'row' && a.severity === 'error');
  if (audits.length === 0) return undefined;
  const cases = audits.map((a) => `case when (${predicateOf(a)}) is false then ${sqlText(a.name)} end`);
  return `nullif(concat_ws('; ', ${cases.join(', ')}), '')`;
}

/**
 * Runs all audits of a model over the rows that this run computed: row audits over all of them, set
 * audits over `this`, which leaves the quarantined ones out. @throws MODEL_SQL_FAILED
 */
export async function runAudits(
  project: Project,
  model: Model,
  relations: Relations,
): Promise<AuditResult[]> {
  const results: AuditResult[] = [];
  for (const audit of model.audits) {
    const template = parseSql(failuresSql(project, audit));
    const relation = await relations.bind([template], () => undefined);
    const failures = `create or replace temp table failures as ${renderSql(template, { relation })}`;
    await runModelSql(model, relations.session, failures);
    const [count] = await relations.session.rows('select count(*) as n from failures');
    const examples = await relations.session.rows(`select * from failures limit ${EXAMPLES}`);
    const { name, scope, severity } = audit;
    results.push({ name, scope, severity, failures: Number(count?.['n']), examples });
  }
  return results;
}

/** A query for the rows that break the audit. Pure. */
function failuresSql(project: Project, audit: Audit): string {
  if (audit.scope === 'row') return `select * from result where (${predicateOf(audit)}) is false`;
  if (audit.sql !== undefined) return spelledSql(audit.sql);
  const [first = '', table = '', other = ''] = audit.arguments;
  switch (audit.test) {
    case 'not_null':
    case 'accepted_values':
      return `select * from this where (${predicateOf(audit)}) is false`;
    case 'unique':
      return `select ${audit.arguments.join(', ')}, count(*) as n from this group by all having n > 1`;
    case 'relationships':
      return `select * from this where ${first} is not null and ${first} not in (select ${other} from ref('${table}') where ${other} is not null)`;
    default:
      return fillArguments(project.audits.get(audit.test) ?? '', audit.arguments);
  }
}

// === Helpers ===

function predicateOf(audit: Audit): string {
  if (audit.sql !== undefined) return spelledSql(audit.sql);
  const [column = '', ...values] = audit.arguments;
  if (audit.test === 'not_null') return `${column} is not null`;
  return `${column} in (${values.join(', ')})`;
}

function spelledSql(template: SqlTemplate): string {
  return renderSql(template, { relation: ({ kind, name }) => `${kind}('${name}')` });
}

/** `$1` … stand for the arguments; a statement's closing semicolon is dropped. */
function fillArguments(sql: string, values: readonly string[]): string {
  const filled = sql.replace(/\$(\d+)/g, (whole, n: string) => values[Number(n) - 1] ?? whole);
  return filled.trim().replace(/;$/, '');
}
