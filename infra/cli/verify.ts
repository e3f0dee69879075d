import { decisions } from '../../ingestion/contracts/decisions.ts';
import { kafkaOffsets } from '../../observability/kafkaOffsets.ts';
import { keyedTablesOf } from '../../observability/modelKeys.ts';
import { type VerifyReport, verifyLake } from '../../observability/verify.ts';
import { decisionRows, verifyJson, verifyRows } from '../../observability/verifyReport.ts';
import { loadProject } from '../../transforms/project.ts';
import { paymentContent } from '../content.ts';
import { loadConfig } from '../core/config.ts';
import { createLogger } from '../core/logger.ts';
import { alignColumns } from '../core/text.ts';
import { openLake } from '../lake.ts';
import type { RegisterCommand } from './main.ts';

interface VerifyOptions {
  readonly json?: boolean;
  readonly full?: boolean;
  /** False for `--no-kafka`. */
  readonly kafka: boolean;
}

/** `tidemark verify`: exit 0 when nothing is wrong, else 1. */
export const registerVerify: RegisterCommand = (program) => {
  program
    .command('verify')
    .description(
      'prove that nothing is lost, doubled or undecided between Kafka and the released tables; exit 1 if something is',
    )
    .option('--json', 'print JSON')
    .option('--full', 'read everything again, also what was verified before')
    .option('--no-kafka', 'check the lake alone; nothing is kept as verified')
    .addHelpText(
      'after',
      `
What was found clean is kept in ops.verify, so that the next run reads only what is new.

Examples:
  tidemark verify
  tidemark verify --full --json
  tidemark sql "select * from ops.verify order by verified_at desc limit 10"`,
    )
    .action(async (options: VerifyOptions) => {
      const report = await runVerify(options);
      if (!report.isClean) process.exitCode = 1;
      if (options.json === true) console.log(JSON.stringify(verifyJson(report), null, 2));
      else printReport(report, options.kafka);
    });
};

// === Helpers ===

async function runVerify(options: VerifyOptions): Promise<VerifyReport> {
  const config = loadConfig(process.env);
  const log = createLogger({ name: 'verify', level: 'error' });
  await using lake = await openLake(config, { log });
  const source = options.kafka ? kafkaOffsets({ brokers: config.kafka.brokers, log }) : undefined;
  const onProgress = (message: string) => console.error(`verify ${message}`);
  const topics = paymentContent.contracts.map(({ topic, table }) => ({ topic, table }));
  const keyedTables = keyedTablesOf(await loadProject(paymentContent.transformsDir));
  return await verifyLake(
    { lake, source, onProgress },
    { topics, keyedTables, decisions: decisions.table, isFull: options.full === true },
  );
}

function printReport(report: VerifyReport, isKafkaRead: boolean): void {
  const { header, rows } = verifyRows(report);
  if (rows.length > 0) console.log(alignColumns(header, rows));
  const decided = report.decisions && decisionRows(report.decisions);
  if (decided !== undefined && decided.rows.length > 0)
    console.log(`\n${alignColumns(decided.header, decided.rows)}`);
  const { checked, newest } = report.releases;
  console.log(`\nreleases checked: ${checked}, newest: ${newest ?? 'none yet'}`);
  console.log(`unique by key: ${report.keyedTables.join(', ') || 'no released model yet'}`);
  console.log(`\n${verdictOf(report, isKafkaRead)}`);
  for (const { code, where, what } of report.violations) console.log(`  ${code}  ${where}: ${what}`);
}

/** Says what the answer rests on: nothing found is not the same as nothing looked at. */
function verdictOf(report: VerifyReport, isKafkaRead: boolean): string {
  if (!report.isClean) return `${report.violationCount} violations:`;
  if (report.incarnations.length === 0) return 'clean, but nothing has landed yet';
  if (!isKafkaRead) return 'clean as far as the lake alone can tell; Kafka was not read';
  return 'clean: nothing lost, nothing doubled';
}
