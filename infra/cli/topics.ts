import { openBronze } from '../../ingestion/bronzeTable.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { type Adoption, adoptTopic } from '../../ingestion/topicAdoption.ts';
import { reportTopic } from '../../ingestion/topicReport.ts';
import { paymentContent } from '../content.ts';
import { loadConfig } from '../core/config.ts';
import { fault } from '../core/errorCatalog.ts';
import { fetchTopicStates } from '../core/kafka.ts';
import { createLogger } from '../core/logger.ts';
import { openLake } from '../lake.ts';
import type { RegisterCommand } from './main.ts';

interface JsonOption {
  readonly json?: boolean;
}

/** `tidemark topics`: what landing thinks of its topics, and the way on when it has stopped. */
export const registerTopics: RegisterCommand = (program) => {
  const topics = program
    .command('topics')
    .description('topics that land in bronze: list them, adopt changes');
  topics
    .command('list')
    .description('each topic with its id, its lag and what keeps landing from going on')
    .option('--json', 'print one JSON array')
    .action(listAction);
  topics
    .command('adopt')
    .description('accept that a topic was made again, or that Kafka removed records before they landed')
    .argument('<topic>')
    .option('--json', 'print the adoption as JSON')
    .addHelpText(
      'after',
      `
Landing stops when a topic is not the one it knows, or when its log no longer holds the next record.
Adopting says that this is intended: what has landed stays, landing goes on at the start of the log.
Start landing again afterwards. Every adoption is a row of ops.adoptions.`,
    )
    .action(adoptAction);
};

// === Helpers ===

/** A person waits for the answer: two tries, no patience. */
const RETRIES = 2;

async function listAction(options: JsonOption): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLogger({ name: 'topics', level: 'warn' });
  const { contracts } = paymentContent;
  const { brokers, cluster } = config.kafka;
  const states = await fetchTopicStates(
    brokers,
    contracts.map(({ topic }) => topic),
    { retries: RETRIES },
  );
  await using lake = await openLake(config, { log });
  const reports = await Promise.all(
    contracts.map((contract) =>
      reportTopic(lake, contract, { cluster, state: states.find(({ topic }) => topic === contract.topic) }),
    ),
  );
  if (options.json) {
    const rows = reports.map(({ topicId, ...rest }) => ({ ...rest, topic_id: topicId ?? null }));
    console.log(JSON.stringify(rows.map((row) => ({ ...row, remedy: row.remedy ?? null }))));
  } else {
    for (const { topic, topicId = '-', partitions, lag, state, remedy } of reports) {
      console.log(`${topic.padEnd(16)} ${topicId.padEnd(36)} ${partitions} partitions  lag ${lag}  ${state}`);
      if (remedy !== undefined) console.log(`  → ${remedy}`);
    }
  }
  if (reports.some(({ state }) => state !== 'ok' && state !== 'missing')) process.exitCode = 1;
}

async function adoptAction(topic: string, options: JsonOption): Promise<void> {
  const contract = contractOf(topic);
  const config = loadConfig(process.env);
  const log = createLogger({ name: 'topics', level: 'warn' });
  const { brokers, cluster } = config.kafka;
  const [state] = await fetchTopicStates(brokers, [topic], { retries: RETRIES });
  if (state === undefined) throw fault('LANDING_TOPIC_GONE', { topic, topicId: 'unknown' });
  await using lake = await openLake(config, { log });
  const adoption = await adoptTopic(
    lake,
    { table: await openBronze(lake, contract), contract, cluster },
    state,
  );
  if (options.json) console.log(JSON.stringify({ topic, topic_id: state.topicId, ...adoption }));
  else console.log(`${topic}: ${describe(adoption)}`);
}

function contractOf(topic: string): Contract {
  const contract = paymentContent.contracts.find((one) => one.topic === topic);
  if (contract !== undefined) return contract;
  throw fault('TOPIC_UNKNOWN', {
    topic,
    topics: paymentContent.contracts.map((one) => one.topic).join(', '),
  });
}

function describe(adoption: Adoption): string {
  switch (adoption.kind) {
    case 'nothing':
      return 'nothing to adopt';
    case 'recreated':
      return 'the new topic lands from its start; start landing again';
    case 'overtaken': {
      const lost = adoption.moves.reduce((sum, { expected, to }) => sum + to - (expected ?? to), 0);
      return `${lost} records are given up in ${adoption.moves.length} partitions; start landing again`;
    }
  }
}
