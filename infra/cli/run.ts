import type { Lake } from '../../lakehouse/lake.ts';
import type { GridReport } from '../../transforms/grid/runGrid.ts';
import { loadProject } from '../../transforms/project.ts';
import { isComplete, type ModelReport, type RunReport } from '../../transforms/report.ts';
import { planRun, runModels } from '../../transforms/run.ts';
import { paymentContent } from '../content.ts';
import { type Config, loadConfig } from '../core/config.ts';
import { armCrashPoint } from '../core/crashPoint.ts';
import { createLogger } from '../core/logger.ts';
import { alignColumns } from '../core/text.ts';
import { openGrid } from '../grid.ts';
import { openLake } from '../lake.ts';
import { openTransforms } from '../transforms.ts';
import type { RegisterCommand } from './main.ts';

interface RunOptions {
  readonly plan?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `tidemark run`: brings models up to date and publishes them as one release. */
export const registerRun: RegisterCommand = (program) => {
  program
    .command('run')
    .description('bring silver and gold up to date with bronze and publish them as one release')
    .argument(
      '[selectors...]',
      'models: gold.hourly_metrics, silver, model+ (what reads it), +model (what it reads)',
    )
    .option('--plan', 'show what would run and why; write nothing')
    .option('--dry-run', 'the same as --plan')
    .option('--json', 'print the run as JSON')
    .addHelpText(
      'after',
      `
Examples:
  tidemark run                          all models that have something new, and gold features when a grid point is due
  tidemark run silver.transactions+     this model and everything that reads it
  tidemark run --plan`,
    )
    .action(runAction);
};

// === Helpers ===

async function runAction(select: string[], options: RunOptions): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLogger({ name: 'run', level: 'warn' });
  await using lake = await openLake(config, { log, crashPoint: armCrashPoint(config.crashAt) });
  if (options.plan || options.dryRun) {
    const project = await loadProject(paymentContent.transformsDir);
    printPlan(await planRun({ lake, project, log }, { select }), options);
    return;
  }
  const deps = await openTransforms(lake, paymentContent, log);
  const onTable = (model: ModelReport) => console.error(progressLine(model));
  const report = await runModels(deps, { select, onModel: onTable });
  const grid = await stepGrid({ lake, config, select, onTable });
  printReport(withGrid(report, grid), options);
  if (grid?.outcome === 'not closed')
    console.error(
      'no gold features yet: nothing has landed, or Kafka does not answer, so no grid point is closed',
    );
  if (!isComplete(report)) process.exitCode = 1;
}

/** How long a run by hand waits for landing before it closes a grid point; jobs wait longer. */
const MAX_WAIT_MS = 10_000;

/** Gold features follow the clock, not the models: with all models they are brought up to the grid point that is due. */
async function stepGrid(work: {
  readonly lake: Lake;
  readonly config: Config;
  readonly select: readonly string[];
  readonly onTable: (report: ModelReport) => void;
}): Promise<GridReport | undefined> {
  const { lake, config, select, onTable } = work;
  if (select.length > 0) return undefined;
  const grid = { ...config.grid, waitMs: Math.min(config.grid.waitMs, MAX_WAIT_MS) };
  const step = await openGrid(lake, paymentContent, { ...config, grid });
  return await step({ onTable });
}

function withGrid(report: RunReport, grid: GridReport | undefined): RunReport {
  if (grid === undefined) return report;
  const { outcome, release } = grid.outcome === 'published' ? { ...grid, outcome: grid.outcome } : report;
  const models = [...report.summary.models, ...grid.tables];
  return { ...report, outcome, release: release ?? null, summary: { ...report.summary, models } };
}

function printPlan(models: readonly ModelReport[], options: RunOptions): void {
  const rows = models.map(({ model, kind, action, why }) => ({ model, kind, action, why }));
  if (options.json) console.log(JSON.stringify(rows));
  else console.log(alignColumns(['model', 'kind', 'action', 'why'], rows.map(Object.values)));
}

function printReport(report: RunReport, options: RunOptions): void {
  const { run, outcome, release, summary } = report;
  if (options.json) {
    console.log(JSON.stringify({ run, outcome, release, ...summary }));
    return;
  }
  const names = ['model', 'kind', 'action', 'rows_in', 'rows_written', 'quarantined', 'seconds', 'audits'];
  const rows = summary.models.map((m) => [
    ...[m.model, m.kind, m.action, m.rows_in, m.rows_written, m.rows_quarantined],
    m.seconds.toFixed(2),
    auditCell(m),
  ]);
  console.log(alignColumns(names, rows));
  for (const model of summary.models) printProblems(model);
  console.error(
    outcome === 'published' ? `release ${release} published` : `nothing new; release ${release} stands`,
  );
}

function printProblems(model: ModelReport): void {
  if (model.error !== null) console.error(`${model.model}: ${model.error}`);
  for (const audit of model.audits.filter((a) => a.failures > 0)) {
    console.error(
      `${model.model}: audit ${audit.name} (${audit.severity}) found ${audit.failures} rows, such as`,
    );
    for (const example of audit.examples) console.error(`  ${example}`);
  }
}

function progressLine({ model, action, why, rows_written, seconds }: ModelReport): string {
  const done = action === 'full' || action === 'incremental';
  return `${model}: ${action} (${why})${done ? `, ${rows_written} rows in ${seconds.toFixed(2)} s` : ''}`;
}

function auditCell({ audits }: ModelReport): string {
  const broken = audits.filter((a) => a.failures > 0);
  if (audits.length === 0) return '-';
  return broken.length === 0 ? `${audits.length} ok` : `${broken.length} of ${audits.length} broken`;
}
