import { type Command, InvalidArgumentError, Option } from 'commander';
import { SEVERITIES, type Severity } from '../../scoring/alerts/alertPolicy.ts';
import { listAlerts, showAlert } from '../../scoring/alerts/alertReports.ts';
import { alertName, openAlertStore, parseAlertName } from '../../scoring/alerts/alertStore.ts';
import { alertLines, alertsTable } from '../../scoring/alerts/alertTexts.ts';
import { adoptTopic } from '../../scoring/alerts/progress.ts';
import {
  closeAlert,
  recordVerdict,
  VERDICTS,
  type Verdict,
  type VerdictInput,
  type VerdictResult,
} from '../../scoring/alerts/verdict.ts';
import { DECISIONS_TABLE, LABELS_TABLE, paymentContent } from '../content.ts';
import { loadConfig } from '../core/config.ts';
import { noCrash } from '../core/crashPoint.ts';
import { fault } from '../core/errorCatalog.ts';
import { fetchTopicStates } from '../core/kafka.ts';
import { createLogger } from '../core/logger.ts';
import type { Postgres } from '../core/postgres.ts';
import { userName } from '../core/userName.ts';
import type { RegisterCommand } from './main.ts';

interface JsonOption {
  readonly json?: boolean;
}

interface ListOptions extends JsonOption {
  readonly state: 'open' | 'closed' | 'all';
  readonly severity?: Severity;
  readonly limit: number;
}

interface VerdictOptions extends JsonOption {
  readonly type?: string;
  readonly event?: string;
  readonly note?: string;
  readonly by: string;
}

/** `tidemark alerts`: the cases that people look at, and what they say about them. */
export const registerAlerts: RegisterCommand = (program) => {
  const alerts = program.command('alerts').description('cases for people: list, show, decide');
  alerts
    .command('list')
    .description('the most severe first, then the newest')
    .addOption(new Option('--state <state>').choices(['open', 'closed', 'all']).default('open'))
    .addOption(new Option('--severity <severity>').choices(SEVERITIES))
    .addOption(new Option('--limit <n>', 'at most so many').argParser(parseLimit).default(20))
    .option('--json', 'print one JSON array')
    .action(listAction);
  alerts
    .command('show')
    .description('one alert with its decisions, their reasons, and what was said about it')
    .argument('<id>', 'A-000123, or 123')
    .option('--json', 'print one JSON object')
    .action(showAction);
  registerVerdict(alerts);
  alerts
    .command('close')
    .description('close an alert without a word about its events')
    .argument('<id>')
    .option('--by <name>', 'who says so', userName())
    .action(closeAction);
  alerts
    .command('adopt')
    .description('accept that the topic of decisions was made again, or lost records before alerts read them')
    .action(adoptAction);
};

// === Helpers ===

/** A person waits for the answer: two tries, no patience. */
const RETRIES = 2;

function registerVerdict(alerts: Command): void {
  alerts
    .command('verdict')
    .description('say what it was: the label goes to topic labels, and into training once it is mature')
    .argument('<id>')
    .argument('<verdict>', VERDICTS.join(', '), parseVerdict)
    .option('--type <class>', 'which fraud it was')
    .option('--event <id>', 'about one event of the alert only')
    .option('--note <text>', 'for colleagues')
    .option('--by <name>', 'who says so', userName())
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
A verdict is about all events that the alert keeps, unless one is named. Fraud and legitimate close it.
Saying the same again changes nothing; saying something else replaces what was said before.

Examples:
  tidemark alerts verdict A-000123 fraud --type ${paymentContent.scoring.classNames[1]}
  tidemark alerts verdict A-000123 legitimate --note "called the customer"`,
    )
    .action(verdictAction);
}

async function listAction({ state, severity, limit, json }: ListOptions): Promise<void> {
  await using postgres = await openStore();
  const alerts = await listAlerts(postgres, { state, severity, limit });
  if (json) console.log(JSON.stringify(alerts));
  else if (alerts.length === 0) console.log(state === 'all' ? 'no alerts' : `no alerts are ${state}`);
  else console.log(alertsTable(alerts, Date.now()));
}

async function showAction(id: string, options: JsonOption): Promise<void> {
  await using postgres = await openStore();
  const shown = await showAlert(postgres, numberOf(id));
  if (options.json) console.log(JSON.stringify({ ...shown.alert, ...shown, alert: undefined }));
  else for (const line of alertLines(shown, Date.now())) console.log(line);
}

async function verdictAction(id: string, verdict: Verdict, options: VerdictOptions): Promise<void> {
  await using postgres = await openStore();
  const { event, json, ...said } = options;
  const input = { ...said, alert: numberOf(id), verdict, ...(event === undefined ? {} : { eventId: event }) };
  const { classNames } = paymentContent.scoring;
  const labels = contractOf(LABELS_TABLE);
  const deps = { postgres, labels, classNames, nowMs: Date.now(), crashPoint: noCrash };
  const result = await recordVerdict(deps, input);
  if (json) console.log(JSON.stringify(result));
  else for (const line of linesOf(result, input)) console.log(line);
}

async function closeAction(id: string, { by }: { by: string }): Promise<void> {
  await using postgres = await openStore();
  const alert = numberOf(id);
  await closeAlert(postgres, { alert, by, nowMs: Date.now() });
  console.log(`${alertName(alert)} is closed`);
}

async function adoptAction(): Promise<void> {
  const { brokers } = loadConfig(process.env).kafka;
  const { topic } = contractOf(DECISIONS_TABLE);
  const [state] = await fetchTopicStates(brokers, [topic], { retries: RETRIES });
  if (state === undefined) throw fault('LANDING_TOPIC_GONE', { topic, topicId: 'unknown' });
  await using postgres = await openStore();
  const hasChanged = await adoptTopic(postgres, state);
  console.log(hasChanged ? `${topic}: alerts go on at the start of the log` : `${topic}: nothing to adopt`);
}

function openStore(): Promise<Postgres> {
  const config = loadConfig(process.env);
  return openAlertStore(config.postgres.url, createLogger({ name: 'alerts', level: 'warn' }));
}

function numberOf(id: string): number {
  const number = parseAlertName(id);
  if (number === undefined) throw fault('ALERT_UNKNOWN', { alert: id });
  return number;
}

function contractOf(table: string) {
  const contract = paymentContent.contracts.find((one) => one.table === table);
  if (contract === undefined) throw fault('TOPIC_UNKNOWN', { topic: table, topics: 'none' });
  return contract;
}

function linesOf(
  { alert, state, labels, notKept }: VerdictResult,
  { verdict, type }: VerdictInput,
): string[] {
  const count = labels.length === 1 ? '1 label' : `${labels.length} labels`;
  const revised = labels.filter(({ revision }) => revision > 1).length;
  const changes = revised === 0 ? '' : `, ${revised} of them replace what was said before`;
  return [
    `${alert}: ${verdict}; ${count} on the way${changes}; the alert is ${state}`,
    ...(notKept === 0
      ? []
      : [`  ${notKept} more decisions are counted but not kept: no label is about them`]),
    ...(verdict !== 'fraud' || type !== undefined ? [] : [UNTYPED]),
  ];
}

const UNTYPED = '  say which fraud it was with --type: models learn classes, and cannot learn from this yet';

function parseVerdict(text: string): Verdict {
  const verdict = VERDICTS.find((one) => one === text);
  if (verdict !== undefined) return verdict;
  throw new InvalidArgumentError(`Say one of: ${VERDICTS.join(', ')}.`);
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit > 0 && limit <= 10_000) return limit;
  throw new InvalidArgumentError('Give a number from 1 to 10000.');
}
