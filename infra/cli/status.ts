import { gatherStatus, type StatusReport } from '../../observability/status.ts';
import { paymentContent } from '../content.ts';
import { type Config, loadConfig } from '../core/config.ts';
import { fetchTopicStates } from '../core/kafka.ts';
import { readTopic } from '../core/kafkaReader.ts';
import { createLogger } from '../core/logger.ts';
import { probePostgres } from '../core/postgres.ts';
import { alignColumns, humanDuration } from '../core/text.ts';
import { openLake } from '../lake.ts';
import { answersMetadata } from '../stack/kafkaProbe.ts';
import { reportStack } from '../stack/processReport.ts';
import type { RegisterCommand } from './main.ts';

const PROBE_MS = 2_000;

/** `tidemark status`: exit 0 when all is well, 1 when something needs attention. */
export const registerStatus: RegisterCommand = (program) => {
  program
    .command('status')
    .description(
      'show services, landing lag, tables, release and last runs; exit 1 if something needs attention',
    )
    .option('--json', 'print JSON')
    .action(async ({ json = false }: { json?: boolean }) => {
      const report = await gather(loadConfig(process.env));
      if (!report.ok) process.exitCode = 1;
      console.log(json ? JSON.stringify(report, null, 2) : formatStatus(report, Date.now()));
    });
};

// === Helpers ===

async function gather(config: Config): Promise<StatusReport> {
  const log = createLogger({ name: 'status', level: 'silent' });
  const { brokers } = config.kafka;
  await using lake = await openLake(config, { log });
  return await gatherStatus({
    lake,
    cluster: config.kafka.cluster,
    topics: paymentContent.contracts.map(({ topic, table }) => ({ topic, table })),
    stack: reportStack(config),
    probes: {
      kafka: () => probeKafka(brokers),
      postgres: () => probePostgres(config.postgres.url, PROBE_MS),
    },
    topicStates: (topics) => fetchTopicStates(brokers, topics, { retries: 1 }),
    arrivalMs: async (topic, { partition, offset }) => {
      let arrivalMs: number | undefined;
      const ranges = [{ partition, from: offset, to: offset + 1 }];
      await readTopic({ brokers, topic, ranges, log }, async ({ records }) => {
        const [first] = records;
        if (first !== undefined) arrivalMs = Number(first.timestamp);
      });
      return arrivalMs;
    },
  });
}

async function probeKafka(brokers: readonly string[]): Promise<string | undefined> {
  for (const broker of brokers) {
    const colon = broker.lastIndexOf(':');
    const [host, port] = [broker.slice(0, colon), Number(broker.slice(colon + 1))];
    if (await answersMetadata(host, port, PROBE_MS)) return undefined;
  }
  return `no broker answers at ${brokers.join(', ')}`;
}

function formatStatus(report: StatusReport, nowMs: number): string {
  const sections = [
    section('Services', ['SERVICE', 'STATUS', 'FOR'], servicesRows(report, nowMs)),
    section('Landing', ['TOPIC', 'TABLE', 'LAG', 'OLDEST WAITS', 'NEWEST ARRIVAL'], landingRows(report)),
    section('Tables', ['TABLE', 'VERSION', 'FILES', 'ROWS', 'SIZE', 'COMMITTED'], tableRows(report)),
    section(
      'Last runs',
      ['FINISHED', 'OUTCOME', 'RELEASE', 'MODELS', 'ROWS WRITTEN', 'HELD'],
      runRows(report, nowMs),
    ),
    releaseLine(report, nowMs),
    report.ok ? 'All is well.' : `Needs attention:\n${report.problems.map((p) => `  ${p}`).join('\n')}`,
  ];
  return sections.filter((text) => text !== '').join('\n\n');
}

function section(title: string, header: string[], rows: string[][]): string {
  return rows.length === 0 ? '' : `${title}\n${alignColumns(header, rows)}`;
}

function servicesRows({ services }: StatusReport, nowMs: number): string[][] {
  return services.map(({ name, ok, problem, since }) => {
    const duration = since === null ? '' : humanDuration(nowMs - Date.parse(since));
    return [name, ok ? 'ok' : `! ${problem}`, duration];
  });
}

function landingRows({ landing }: StatusReport): string[][] {
  return landing.map(({ topic, table, lag_records, lag_seconds, newest_arrival, problem }) => [
    topic,
    table,
    problem === null ? String(lag_records ?? '?') : `! ${problem}`,
    lag_seconds === null ? '?' : humanDuration(lag_seconds * 1_000),
    newest_arrival ?? '-',
  ]);
}

function tableRows({ tables }: StatusReport): string[][] {
  return tables.map(({ name, version, files, rows, bytes, age_seconds }) => [
    name,
    String(version),
    String(files),
    String(rows ?? '?'),
    `${(bytes / 2 ** 20).toFixed(1)} MiB`,
    `${humanDuration(age_seconds * 1_000)} ago`,
  ]);
}

function runRows({ runs }: StatusReport, nowMs: number): string[][] {
  return runs.map(({ finished_at, outcome, release, models, rows_written, held }) => [
    `${humanDuration(nowMs - Date.parse(finished_at))} ago`,
    outcome,
    String(release ?? '-'),
    String(models),
    String(rows_written),
    String(held),
  ]);
}

function releaseLine({ release, verify }: StatusReport, nowMs: number): string {
  const ago = (time: string) => `${humanDuration(nowMs - Date.parse(time))} ago`;
  const released =
    release === null
      ? 'No release yet.'
      : `Release ${release.number}, ${ago(release.created_at)}, ${release.tables} tables.`;
  const verified =
    verify === null
      ? 'Never verified.'
      : `Verified ${ago(verify.verified_at)}: ${verify.violations} violations.`;
  return `${released} ${verified}`;
}
