import type { Command } from 'commander';
import { decisions } from '../../ingestion/contracts/decisions.ts';
import { findByEvent } from '../../observability/decisionLookup.ts';
import { type Explanation, explainDecision } from '../../observability/explainDecision.ts';
import { explainJson, explainLines, explainRows } from '../../observability/explainReport.ts';
import { paymentContent } from '../content.ts';
import { loadConfig } from '../core/config.ts';
import { createLogger } from '../core/logger.ts';
import { alignColumns } from '../core/text.ts';
import { openFeatures } from '../features.ts';
import { featureSettings } from '../grid.ts';
import { openLake } from '../lake.ts';
import type { RegisterCommand } from './main.ts';

interface ExplainOptions {
  readonly event?: string;
  readonly json?: boolean;
}

/** `tidemark explain`: everything that is known about one decision. */
export const registerExplain: RegisterCommand = (program) => {
  program
    .command('explain')
    .description('one decision: its record, the vector as seen, what the model says about it, reasons')
    .argument('[decision-id]', '<topic>:<topic id>:<partition>:<offset>')
    .option('--event <event-id>', 'the decision about the event with this id, instead of a decision id')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  tidemark sql "select decision_id from silver.decisions where decision = 'decline' order by decided_at desc limit 5"
  tidemark explain ${paymentContent.contracts[0]?.topic}:Yw0Wx2GmQfO1b8yq1JtY7A:3:4711
  tidemark explain --event T0000000000004711`,
    )
    .action(async (id: string | undefined, options: ExplainOptions, command: Command) => {
      if ((id === undefined) === (options.event === undefined)) {
        command.error('error: name one decision: by its id, or by --event', { exitCode: 2 });
      }
      const explanation = await explain(id, options);
      if (options.json === true) console.log(JSON.stringify(explainJson(explanation), null, 2));
      else print(explanation);
    });
};

// === Helpers ===

async function explain(id: string | undefined, { event }: ExplainOptions): Promise<Explanation> {
  const log = createLogger({ name: 'explain', level: 'error' });
  const config = loadConfig(process.env);
  await using lake = await openLake(config, { log });
  const { contracts } = paymentContent;
  const tables = {
    decisions: decisions.table,
    sources: new Map(contracts.map(({ topic, table }) => [topic, table])),
  };
  const deps = { lake, tables, sets: await openFeatures(paymentContent, featureSettings(config)) };
  if (id !== undefined) return await explainDecision(deps, id);
  const [first, ...others] = await findByEvent(lake, tables, event ?? '');
  if (others.length > 0) console.error(`the event came more than once; there are also ${others.join(', ')}`);
  return await explainDecision(deps, first);
}

function print(explanation: Explanation): void {
  for (const line of explainLines(explanation)) console.log(line);
  const { header, rows } = explainRows(explanation);
  if (rows.length > 0) console.log(`\n${alignColumns(header, rows)}`);
}
