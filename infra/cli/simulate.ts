import { writeFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { recentEndMs, writeHistory } from '../../ingestion/simulator/history.ts';
import { liveLabelDelay } from '../../ingestion/simulator/labelling.ts';
import { createLiveStream, type SimulatedRecord } from '../../ingestion/simulator/liveStream.ts';
import {
  DEFAULT_ACTORS,
  DEFAULT_FRAUD_RATE,
  LOAD_LEVELS,
  type LoadLevel,
  parseAttack,
  parseDomains,
  parseDrift,
  parsePercent,
} from '../../ingestion/simulator/options.ts';
import { noteTruth, type SimulationReport, type TruthFile } from '../../ingestion/simulator/report.ts';
import { runSimulation } from '../../ingestion/simulator/simulation.ts';
import { createWorld } from '../../ingestion/simulator/world.ts';
import { systemClock } from '../core/clock.ts';
import { loadConfig, parseDuration } from '../core/config.ts';
import { connectProducer } from '../core/kafka.ts';
import { createLogger } from '../core/logger.ts';
import type { RegisterCommand } from './main.ts';

/** `tidemark simulate`: payments of three domains to Kafka, or weeks of them to files. */
export const registerSimulate: RegisterCommand = (program) => {
  const command = program
    .command('simulate')
    .description('send simulated payments to Kafka at a steady pace, or write a history of them to files')
    .addOption(
      option('--domain <name>', 'all, gaming, fintech or ecommerce', parseDomains).default(
        parseDomains('all'),
        'all',
      ),
    )
    .addOption(option('--load <level>', levelsHelp(), parseLoad).default(LOAD_LEVELS.normal, 'normal'))
    .addOption(option('--rate <n>', 'events a minute, instead of a load level', parseCount))
    .addOption(option('--duration <time>', 'how long, such as 60s; default until Ctrl-C', parseDuration))
    .addOption(option('--events <n>', 'stop after this many events', parseCount))
    .addOption(option('--seed <n>', 'equal seeds meet equal people', parseCount).default(42))
    .addOption(
      option('--start <time>', 'simulated time of the first event (ISO 8601); default now', parseTime),
    )
    .addOption(option('--actors <n>', 'regular customers a domain', parseCount).default(DEFAULT_ACTORS))
    .addOption(
      option('--fraud-rate <share>', 'of the sequences', parsePercent).default(DEFAULT_FRAUD_RATE, '2%'),
    );
  addIrregularities(command)
    .addOption(option('--history <dir>', 'write a Parquet file a topic to this directory instead of sending'))
    .addOption(option('--days <n>', 'length of the history', parseCount).default(60))
    .addOption(option('--end <time>', 'end of the history (ISO 8601); default the last full hour', parseTime))
    .addOption(
      option('--report <file>', 'write the report, with the truth about what was injected, to this file'),
    )
    .option('--json', 'print the report as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: SimulateOptions) => {
      if (options.history === undefined) await simulateLive(options);
      else await simulateHistory(options, options.history, command);
    });
};

// === Helpers ===

const EXAMPLES = `
Exit code 0 when less than 1 % of the events failed, 1 otherwise, 130 after Ctrl-C.

Examples:
  tidemark simulate --domain all --load normal --duration 60s --seed 42
  tidemark simulate --domain fintech --load mini --bad 5% --late 10% --report truth.json
  tidemark simulate --load peak --duration 30m --attack takeover@10m --drift amount:1.2@20m
  tidemark simulate --history history --days 60 --seed 42`;

/** A history is taken again while it is not older than this. */
const HISTORY_MAX_AGE_MS = 12 * 3_600_000;

interface SimulateOptions {
  readonly domain: NonNullable<ReturnType<typeof parseDomains>>;
  readonly load: number;
  readonly rate?: number;
  readonly duration?: number;
  readonly events?: number;
  readonly seed: number;
  readonly start?: number;
  readonly actors: number;
  readonly fraudRate: number;
  readonly late: number;
  readonly duplicates: number;
  readonly bad: number;
  readonly unknownFields: number;
  readonly drift?: NonNullable<ReturnType<typeof parseDrift>>;
  readonly attack?: NonNullable<ReturnType<typeof parseAttack>>;
  readonly labelDelay: number;
  readonly labels: boolean;
  readonly history?: string;
  readonly days: number;
  readonly end?: number;
  readonly report?: string;
  readonly json?: true;
}

function addIrregularities(command: Command): Command {
  const share = (flags: string, text: string) => option(flags, text, parsePercent).default(0, '0%');
  return command
    .addOption(share('--late <share>', 'events that come minutes to hours late'))
    .addOption(share('--duplicates <share>', 'events that are sent twice'))
    .addOption(share('--bad <share>', 'records that no contract accepts'))
    .addOption(share('--unknown-fields <share>', 'events with a field more than the contract has'))
    .addOption(option('--drift <spec>', 'from then on amounts change, such as amount:1.2@2h', parseDrift))
    .addOption(option('--attack <spec>', 'a wave of one fraud, such as takeover@10m', parseAttack))
    .addOption(
      option('--label-delay <time>', 'median time until a fraud is reported', parseDuration).default(
        120_000,
        '2m',
      ),
    )
    .option('--no-labels', 'send no labels');
}

async function simulateHistory(options: SimulateOptions, dir: string, command: Command): Promise<void> {
  const { seed, days, actors, domain: domains, fraudRate } = options;
  const nowMs = systemClock.nowMs();
  const parameters = { seed, days, actors, domains, fraudRate };
  const lastHourMs = Math.floor(nowMs / 3_600_000) * 3_600_000;
  const endMs =
    options.end ?? recentEndMs(dir, parameters, { nowMs, maxAgeMs: HISTORY_MAX_AGE_MS }) ?? lastHourMs;
  if (endMs > nowMs) command.error('error: --end lies in the future', { exitCode: 2 });
  const { written, files } = await writeHistory({ ...parameters, endMs, dir });
  if (options.json) {
    console.log(JSON.stringify({ dir, written, end: new Date(endMs).toISOString(), files }));
    return;
  }
  console.error(written ? `history of ${days} days written` : 'history was there already');
  for (const { topic, path, rows } of files) console.log(`${topic}\t${rows}\t${path}`);
}

async function simulateLive(options: SimulateOptions): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLogger({ name: 'simulate', level: config.logLevel === 'debug' ? 'debug' : 'error' });
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  process.once('SIGTERM', () => controller.abort());
  await using producer = await connectProducer({
    brokers: config.kafka.brokers,
    clientId: 'tidemark-simulate',
    log,
  });
  const truth: TruthFile = { irregularities: [], frauds: [] };
  const startMs = options.start ?? systemClock.nowMs();
  const report = await runSimulation(
    {
      stream: liveStreamOf(options, startMs),
      ratePerMinute: options.rate ?? options.load,
      startMs,
      ...(options.duration === undefined ? {} : { durationMs: options.duration }),
      ...(options.events === undefined ? {} : { maxEvents: options.events }),
      labels: options.labels,
      onProgress: printProgress,
      ...(options.report === undefined ? {} : { onRecord: (r: SimulatedRecord) => noteTruth(truth, r) }),
    },
    { producer, clock: systemClock, monotonicMs: () => performance.now(), log },
    { signal: controller.signal },
  );
  if (options.report !== undefined) writeFileSync(options.report, JSON.stringify({ ...report, ...truth }));
  printReport(report, options.json === true);
  process.exitCode = exitCodeOf(report);
}

function liveStreamOf(options: SimulateOptions, startMs: number) {
  const { late, duplicates, bad, unknownFields, drift, attack } = options;
  return createLiveStream({
    world: createWorld({ seed: options.seed, actorsPerDomain: options.actors }),
    domains: options.domain,
    ratePerMinute: options.rate ?? options.load,
    startMs,
    fraudRate: options.fraudRate,
    labelDelay: liveLabelDelay(options.labelDelay),
    irregularities: {
      ...{ late, duplicates, bad, unknownFields },
      ...(drift === undefined ? {} : { drift }),
      ...(attack === undefined ? {} : { attack }),
    },
  });
}

/** 130 after Ctrl-C, as shells expect. */
function exitCodeOf({ interrupted, error_rate_percent }: SimulationReport): number {
  if (interrupted) return 130;
  return error_rate_percent < 1 ? 0 : 1;
}

function printProgress({ seconds, offered, acknowledged, errors, labels }: SimulationReport): void {
  const line = `${Math.round(seconds)} s: ${offered} offered, ${acknowledged} acknowledged, ${errors} errors, ${labels} labels`;
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`);
  else if (Math.round(seconds) % 10 === 0) console.error(line);
}

function printReport(report: SimulationReport, json: boolean): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  if (json) {
    console.log(JSON.stringify(report));
    return;
  }
  const { p50, p95, p99 } = report.send_delay_ms;
  console.log(`offered       ${report.offered} events in ${report.seconds} s`);
  console.log(`acknowledged  ${report.acknowledged}, ${report.labels} labels`);
  console.log(`errors        ${report.errors} (${report.error_rate_percent} %)`);
  console.log(`efficiency    ${report.efficiency_percent} % of ${report.target_per_minute} a minute`);
  console.log(`send delay    p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms`);
}

/** An option that refuses what `parse` does not understand: exit code 2. */
function option<T>(flags: string, text: string, parse?: (given: string) => T | undefined): Option {
  const made = new Option(flags, text);
  if (parse === undefined) return made;
  return made.argParser((given) => {
    const value = parse(given);
    if (value === undefined) throw new InvalidArgumentError(`What it means: ${text}.`);
    return value;
  });
}

function parseLoad(text: string): number | undefined {
  return Object.hasOwn(LOAD_LEVELS, text) ? LOAD_LEVELS[text as LoadLevel] : undefined;
}

function levelsHelp(): string {
  const levels = Object.entries(LOAD_LEVELS).map(([name, rate]) => `${name} ${rate}`);
  return `events a minute over all domains: ${levels.join(', ')}`;
}

function parseCount(text: string): number | undefined {
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
}

function parseTime(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
