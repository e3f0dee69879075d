import type { AuditResult } from './audits.ts';

/** What a run did with one model; part of the release document and a row of `ops.runs`. */
export interface ModelReport {
  readonly model: string;
  readonly kind: string;
  /** full, incremental, up to date, pinned, not selected, held, waiting, blocked or failed. */
  readonly action: string;
  readonly why: string;
  readonly inputs: readonly {
    readonly table: string;
    readonly from_version: number | null;
    readonly to_version: number | null;
  }[];
  readonly output_version: number | null;
  /** Rows of the files that the sources gained and lost. */
  readonly rows_in: number;
  /** Rows that are new or different. */
  readonly rows_written: number;
  readonly rows_quarantined: number;
  readonly files_added: number;
  readonly files_removed: number;
  readonly seconds: number;
  readonly audits: readonly {
    readonly name: string;
    readonly scope: string;
    readonly severity: string;
    readonly failures: number;
    /** Some offending rows as JSON, when there are any. */
    readonly examples: readonly string[];
  }[];
  readonly error: string | null;
}

/** The summary that a release carries of its run. */
export interface RunSummary {
  readonly started_at: string;
  readonly finished_at: string;
  readonly models: readonly ModelReport[];
}

export interface RunReport {
  readonly run: string;
  /** `published`: a new release; `unchanged`: there was nothing to publish. */
  readonly outcome: 'published' | 'unchanged';
  readonly release: number | null;
  readonly summary: RunSummary;
}

/** Whether every model that the run was to compute is current. Pure. */
export function isComplete(report: RunReport): boolean {
  return !report.summary.models.some((m) => ['blocked', 'failed'].includes(m.action));
}

/** An audit's result as it is published. Pure. */
export function auditReport(result: AuditResult): ModelReport['audits'][number] {
  const { name, scope, severity, failures, examples } = result;
  return { name, scope, severity, failures, examples: examples.map((row) => JSON.stringify(row)) };
}
