import { landFile } from '../../ingestion/landFile.ts';
import { paymentContent } from '../content.ts';
import { loadConfig } from '../core/config.ts';
import { armCrashPoint } from '../core/crashPoint.ts';
import { fault } from '../core/errorCatalog.ts';
import { createLogger } from '../core/logger.ts';
import { openLake } from '../lake.ts';
import type { RegisterCommand } from './main.ts';

interface LandOptions {
  readonly from: string;
  readonly topic: string;
  readonly json?: boolean;
}

/** `tidemark land`: history from a file. */
export const registerLand: RegisterCommand = (program) => {
  program
    .command('land')
    .description('land history of a topic from a file; a second call changes nothing')
    .requiredOption(
      '--from <file>',
      'Parquet or NDJSON with columns key, value (the JSON text) and arrived_at',
    )
    .requiredOption('--topic <topic>', 'topic whose contract judges the records')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Example:
  tidemark land --from history.parquet --topic ${paymentContent.contracts[0]?.topic}

All rows must have arrived before the topic's first live record, and none in the future. Land all files of a history before
\`tidemark run\` and before live traffic: feature marts count later ones as known from now on only.`,
    )
    .action(landAction);
};

// === Helpers ===

async function landAction(options: LandOptions): Promise<void> {
  const { from: path, topic } = options;
  const contract = paymentContent.contracts.find((one) => one.topic === topic);
  if (contract === undefined) {
    const topics = paymentContent.contracts.map((one) => one.topic).join(', ');
    throw fault('TOPIC_UNKNOWN', { topic, topics });
  }
  const config = loadConfig(process.env);
  const log = createLogger({ name: 'land', level: 'warn' });
  await using lake = await openLake(config, { log, crashPoint: armCrashPoint(config.crashAt) });
  const started = performance.now();
  const onProgress = (done: number, rows: number) => console.error(`${topic}: ${done} of ${rows} rows`);
  const deps = { lake, kafka: config.kafka, limits: config.flush, log };
  const report = await landFile(deps, { path, contract, onProgress });
  const seconds = (performance.now() - started) / 1_000;
  const { topicId, rows, landed, bad, already } = report;
  if (options.json) {
    console.log(JSON.stringify({ topic, topic_id: topicId, rows, landed, bad, already, seconds }));
  } else {
    const known = already > 0 ? `, ${already} were there` : '';
    console.log(`${topic}: ${landed} rows landed (${bad} bad)${known}, in ${seconds.toFixed(1)} s`);
  }
}
