import { type Command, InvalidArgumentError } from 'commander';
import { type Aliases, openRegistry, type Registry } from '../../scoring/registry.ts';
import { ALIASES, type AliasEntry } from '../../scoring/registryLog.ts';
import { promoteModel, rollBackModel } from '../../scoring/registryMoves.ts';
import { systemClock } from '../core/clock.ts';
import { loadConfig } from '../core/config.ts';
import { armCrashPoint } from '../core/crashPoint.ts';
import { alignColumns } from '../core/text.ts';
import { userName } from '../core/userName.ts';
import { openStore } from '../lake.ts';
import { cardLines, comparisonLines, gatesWord } from './cardText.ts';
import type { RegisterCommand } from './main.ts';

interface JsonOption {
  readonly json?: boolean;
}

interface MoveOptions extends JsonOption {
  readonly reason?: string;
  readonly by: string;
}

const EXAMPLES = `
Examples:
  tidemark models list
  tidemark models promote 20260601T000000Z-4f1d2c3b4a5e
  tidemark models promote VERSION --force --reason "the strong feature is a rule of the bank"
  tidemark models rollback --reason "too many alerts"`;

/** `tidemark models …`: the versions in the object store, and which of them decides. */
export const registerModels: RegisterCommand = (program) => {
  const models = program
    .command('models')
    .description('versions of models: what they are, and which of them decides')
    .addHelpText('after', EXAMPLES);
  withJson(models.command('list').description('every version, and where the aliases point')).action(
    listAction,
  );
  withJson(models.command('show').description('the card of a version').argument('<version>')).action(
    showAction,
  );
  withJson(
    models
      .command('compare')
      .description('two versions beside each other')
      .argument('<version>')
      .argument('<other>'),
  ).action(compareAction);
  withReason(
    models
      .command('promote')
      .description('let a version decide whose gates passed; scorers follow within seconds')
      .argument('<version>')
      .option('--alias <name>', ALIASES.join(' or '), parseAlias, 'champion')
      .option('--force', 'over a gate that asks a person (G2, G5); needs --reason'),
  ).action(promoteAction);
  withReason(
    models.command('rollback').description('let the champion before decide again; again: the one before it'),
  ).action(rollbackAction);
};

// === Helpers ===

async function openModels(): Promise<Registry> {
  const config = loadConfig(process.env);
  const store = await openStore(config);
  return openRegistry({ store, clock: systemClock, crashPoint: armCrashPoint(config.crashAt) });
}

async function listAction({ json }: JsonOption): Promise<void> {
  const registry = await openModels();
  const { champion, challenger } = await registry.aliases();
  const rows = (await registry.list()).map((card) => ({
    version: card.version,
    alias: card.version === champion ? 'champion' : card.version === challenger ? 'challenger' : '',
    created_at: card.createdAt,
    release: card.data.release,
    prevalence: card.validation.prevalence,
    average_precision: card.validation.model.averagePrecision,
    gates: gatesWord(card),
  }));
  if (json) return console.log(JSON.stringify({ ...aliasJson({ champion, challenger }), models: rows }));
  const cells = rows.map((row) => [
    ...[row.version, row.alias || '-', row.created_at, row.release],
    ...[row.prevalence.toFixed(3), row.average_precision.toFixed(3), row.gates],
  ]);
  console.log(
    alignColumns(['version', 'alias', 'created_at', 'release', 'prevalence', 'AP', 'gates'], cells),
  );
  if (champion === undefined) console.error('no model decides: every decision is a review');
}

async function showAction(version: string, { json }: JsonOption): Promise<void> {
  const registry = await openModels();
  const card = await registry.card(version);
  const history = (await registry.history()).filter((entry) => entry.version === version);
  if (json) return console.log(JSON.stringify({ card, history }));
  for (const line of [...cardLines(card), '', ...history.map(moveText)]) console.log(line);
}

async function compareAction(version: string, other: string, { json }: JsonOption): Promise<void> {
  const registry = await openModels();
  const [a, b] = [await registry.card(version), await registry.card(other)];
  if (json) return console.log(JSON.stringify([a, b]));
  for (const line of comparisonLines(a, b)) console.log(line);
}

async function promoteAction(
  version: string,
  options: MoveOptions & { alias: (typeof ALIASES)[number]; force?: boolean },
  command: Command,
): Promise<void> {
  const { alias, by, force = false, reason } = options;
  if (force && reason === undefined) command.error('error: --force needs --reason', { exitCode: 2 });
  const registry = await openModels();
  await promoteModel(registry, { version, alias, by, force, reason: reason ?? 'promoted by hand' });
  await printAliases(registry, options);
}

async function rollbackAction({ by, reason, ...options }: MoveOptions): Promise<void> {
  const registry = await openModels();
  await rollBackModel(registry, { by, reason: reason ?? 'rolled back by hand' });
  await printAliases(registry, options);
}

async function printAliases(registry: Registry, { json }: JsonOption): Promise<void> {
  const { champion, challenger } = await registry.aliases();
  if (json) return console.log(JSON.stringify(aliasJson({ champion, challenger })));
  console.log(`champion ${champion ?? '-'}, challenger ${challenger ?? '-'}`);
}

/** With every key, whatever there is. */
function aliasJson({ champion, challenger }: Pick<Aliases, 'champion' | 'challenger'>): object {
  return { champion: champion ?? null, challenger: challenger ?? null };
}

function moveText({ at, alias, move, by, reason }: AliasEntry): string {
  return `${at}  ${move} to ${alias} by ${by}: ${reason}`;
}

function parseAlias(text: string): string {
  const alias = ALIASES.find((name) => name === text);
  if (alias !== undefined) return alias;
  throw new InvalidArgumentError(`expected ${ALIASES.join(' or ')}`);
}

function withReason(command: Command): Command {
  return withJson(command)
    .option('--reason <text>', 'why, for the log')
    .option('--by <name>', 'who, for the log', userName());
}

function withJson(command: Command): Command {
  return command.option('--json', 'print JSON');
}
