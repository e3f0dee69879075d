import { type Command, InvalidArgumentError } from 'commander';
import { decisions } from '../../ingestion/contracts/decisions.ts';
import { type FeatureLive, liveFeatures } from '../../observability/featureLive.ts';
import { compareFeatures, type ParitySource } from '../../observability/featureParity.ts';
import { parityJson, parityLines, parityRows } from '../../observability/parityReport.ts';
import { type FeatureReport, reportFeatures, showFeature } from '../../transforms/featureReport.ts';
import type { FeatureSet } from '../../transforms/featureSet.ts';
import { paymentContent } from '../content.ts';
import { loadConfig } from '../core/config.ts';
import { createLogger } from '../core/logger.ts';
import { alignColumns } from '../core/text.ts';
import { openFeatures } from '../features.ts';
import { featureSettings } from '../grid.ts';
import { openLake } from '../lake.ts';
import type { RegisterCommand } from './main.ts';

interface ListOptions {
  readonly json?: boolean;
  /** False for `--no-live`. */
  readonly live: boolean;
}

interface ParityOptions {
  readonly last: number;
  readonly sample: number;
  readonly json?: boolean;
}

/** `tidemark features`: the one list of features, what is compiled from an entry, and whether both halves agree. */
export const registerFeatures: RegisterCommand = (program) => {
  const features = program.command('features').description('features: what they are, and their SQL');
  withLive(features.command('list'))
    .description('each feature with its kind, its definition, the sources that have it, and live traffic')
    .option('--json', 'print one JSON array')
    .action(listAction);
  withLive(features.command('show'))
    .description(
      'one feature: kind, entity, definition, hash a source, live traffic, and the SQL that fills it from bronze',
    )
    .argument('<name>')
    .option('--json', 'print one JSON object with the SQL of every source')
    .action(showAction);
  features
    .command('parity')
    .description('derive the vectors of recent decisions again from bronze; exit 1 if a value differs')
    .option('--last <n>', 'look at so many of the newest decisions', wholeNumber, 20_000)
    .option('--sample <k>', 'of those take one key in so many', wholeNumber, 1)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Values whose status is neither PRESENT nor NOT_FOUND are counted apart; decisions of an older list of features are
named, not compared.

Examples:
  tidemark features parity
  tidemark features parity --last 200000 --sample 16`,
    )
    .action(parityAction);
};

// === Helpers ===

const ENTRIES = paymentContent.features.entries;

/** Decisions that say how a feature is on live traffic. */
const LIVE_DECISIONS = 2_000;

function withLive(command: Command): Command {
  return command.option('--no-live', 'leave out how it is on live traffic: the lake is not opened');
}

async function listAction({ json, live }: ListOptions): Promise<void> {
  const sets = await openSets();
  const reports = reportFeatures(ENTRIES, sets);
  const lives = await livesOf(sets, live);
  if (json) {
    console.log(JSON.stringify(reports.map((report) => ({ ...report, live: lives.get(report.name) ?? [] }))));
    return;
  }
  for (const { name, number, kind, definition, sources } of reports) {
    const where = sources.map((source) => source.name).join(', ');
    const seen = (lives.get(name) ?? []).map(liveText).join('; ');
    const line = `${name.padEnd(24)} ${number.padStart(3)}  ${kind.padEnd(8)} ${definition}  [${where}]`;
    console.log(seen === '' ? line : `${line}\n${''.padEnd(30)}${seen}`);
  }
}

async function showAction(name: string, { json, live }: ListOptions): Promise<void> {
  const sets = await openSets();
  const { sql, ...report } = showFeature(ENTRIES, { sets, name });
  const lives = (await livesOf(sets, live)).get(name) ?? [];
  if (json) {
    console.log(JSON.stringify({ ...report, live: lives, sql }));
    return;
  }
  for (const line of [...linesOf(report), ...lives.map((one) => `  live        ${liveText(one)}`)])
    console.log(line);
  for (const [source, text] of Object.entries(sql)) console.log(`\n-- ${source}\n${text}`);
}

function linesOf({ name, number, kind, entity, description, definition, sources }: FeatureReport): string[] {
  const about = kind === 'gold' ? ', from its tiles' : ' in its topic and partition';
  return [
    `${name} (number ${number} of the catalogue): ${description}`,
    `  kind        ${kind}${entity === null ? '' : `, of the record's ${entity}${about}`}`,
    `  definition  ${definition}`,
    ...sources.map((source) => `  hash        ${source.hash}  ${source.name} (${source.table})`),
  ];
}

function liveText({ source, vectors, missing, statuses }: FeatureLive): string {
  const counts = Object.entries(statuses).map(([status, count]) => `${status} ${count}`);
  return `${source}: ${((100 * missing) / vectors).toFixed(1)} % missing of ${vectors} (${counts.join(', ')})`;
}

async function parityAction({ last, sample, json }: ParityOptions): Promise<void> {
  const sources = sourcesOf(await openSets());
  await using lake = await openFeatureLake();
  const request = { sources, decisions: decisions.table, last, oneKeyIn: sample };
  const report = await compareFeatures(lake, request);
  if (!report.isEqual) process.exitCode = 1;
  if (json) {
    console.log(JSON.stringify(parityJson(report), null, 2));
    return;
  }
  const { header, rows } = parityRows(report);
  if (rows.length > 0) console.log(`${alignColumns(header, rows)}\n`);
  for (const line of parityLines(report)) console.log(line);
}

async function livesOf(sets: readonly FeatureSet[], isWanted: boolean) {
  if (!isWanted) return new Map<string, readonly FeatureLive[]>();
  await using lake = await openFeatureLake();
  const request = { decisions: decisions.table, last: LIVE_DECISIONS, sources: sourcesOf(sets) };
  return await liveFeatures(lake, request);
}

/** As scorers have them: the grid is configuration. */
function openSets(): Promise<FeatureSet[]> {
  return openFeatures(paymentContent, featureSettings(loadConfig(process.env)));
}

async function openFeatureLake() {
  const log = createLogger({ name: 'features', level: 'error' });
  return await openLake(loadConfig(process.env), { log });
}

function sourcesOf(sets: readonly FeatureSet[]): ParitySource[] {
  return sets.flatMap((set) =>
    paymentContent.contracts
      .filter(({ table }) => table === set.source.table)
      .map(({ topic }) => ({ set, topic })),
  );
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('expected a whole number from 1 on.');
}
