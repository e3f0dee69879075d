import { type Command, InvalidArgumentError } from 'commander';
import type { Lake } from '../../lakehouse/lake.ts';
import { optimizeTable } from '../../lakehouse/optimize.ts';
import { type LakeTable, listTables, openTable } from '../../lakehouse/table.ts';
import { detailTable, historyEntry, reportTable } from '../../lakehouse/tableReport.ts';
import { loadConfig } from '../core/config.ts';
import { fault } from '../core/errorCatalog.ts';
import { createLogger } from '../core/logger.ts';
import { alignColumns } from '../core/text.ts';
import { openLake } from '../lake.ts';
import type { RegisterCommand } from './main.ts';

interface JsonOption {
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  tidemark table list
  tidemark table show gold.hourly_metrics --json
  tidemark table history gold.hourly_metrics --limit 5
  tidemark table optimize gold.hourly_metrics --dry-run`;

/** `tidemark table …`: what the lake holds, from its logs alone. Data on stdout. */
export const registerTable: RegisterCommand = (program) => {
  const table = program
    .command('table')
    .description('list, inspect and compact the tables of the lake')
    .addHelpText('after', EXAMPLES);
  withJson(table.command('list').description('list all tables: version, files, rows, bytes, age')).action(
    (options: JsonOption) => withLake((lake) => list(lake, options)),
  );
  withJson(
    table.command('show').description('show columns, partitions and progress of a table').argument('<name>'),
  ).action((name: string, options: JsonOption) => withTable(name, (lake, t) => show(lake, t, options)));
  withJson(table.command('history').description('list the newest commits of a table').argument('<name>'))
    .option('--limit <count>', 'how many commits', parseCount, 20)
    .action((name: string, options: JsonOption & { limit: number }) =>
      withTable(name, (_, t) => history(t, options)),
    );
  withJson(
    table
      .command('optimize')
      .description('pack the small files of a table into larger ones')
      .argument('<name>'),
  )
    .option('--dry-run', 'say what would be packed, change nothing')
    .option('--min-files <count>', 'pack a partition when it has this many small files', parseCount, 2)
    .action((name: string, options: JsonOption & { dryRun?: boolean; minFiles: number }) =>
      withTable(name, (lake, t) => optimize(lake, t, options)),
    );
};

// === Helpers ===

async function list(lake: Lake, { json = false }: JsonOption): Promise<void> {
  const reports = [];
  for (const name of await listTables(lake)) {
    const table = await openTable(lake, name);
    if (table !== undefined) reports.push(await reportTable(table, lake.clock.nowMs()));
  }
  if (json) return printJson(reports);
  if (reports.length === 0) return console.error('the lake has no tables yet');
  const rows = reports.map((r) => [
    ...[r.name, r.version, r.files, r.rows ?? '?', r.bytes],
    `${r.age_seconds}s`,
  ]);
  console.log(alignColumns(['name', 'version', 'files', 'rows', 'bytes', 'age'], rows));
}

async function show(lake: Lake, table: LakeTable, { json = false }: JsonOption): Promise<void> {
  const details = await detailTable(table, lake.clock.nowMs());
  if (json) return printJson(details);
  const { columns, partitions, progress, configuration, ...summary } = details;
  for (const [name, value] of Object.entries(summary)) {
    if (value !== undefined) console.log(`${name.padEnd(14)}${value}`);
  }
  console.log('');
  const columnRows = columns.map((c) => [c.name, c.type, c.partition ? 'yes' : '']);
  console.log(alignColumns(['column', 'type', 'partition'], columnRows));
  console.log('');
  const partitionRows = partitions.map(({ values, files, rows, bytes }) => {
    const named = Object.entries(values).map(([name, value]) => `${name}=${value}`);
    return [named.join(' ') || '(all)', files, rows ?? '?', bytes];
  });
  console.log(alignColumns(['partition', 'files', 'rows', 'bytes'], partitionRows));
  for (const [appId, version] of Object.entries(progress)) console.log(`progress      ${appId} = ${version}`);
  for (const [name, value] of Object.entries(configuration)) console.log(`setting       ${name} = ${value}`);
}

async function history(
  table: LakeTable,
  { json = false, limit }: JsonOption & { limit: number },
): Promise<void> {
  const entries = (await table.history(limit)).map(historyEntry);
  if (json) return printJson(entries);
  const rows = entries.map((entry) => [
    entry.version,
    entry.committed_at,
    entry.operation,
    entry.files_added,
    entry.files_removed,
  ]);
  console.log(alignColumns(['version', 'committed_at', 'operation', 'added', 'removed'], rows));
}

async function optimize(
  lake: Lake,
  table: LakeTable,
  options: JsonOption & { dryRun?: boolean; minFiles: number },
): Promise<void> {
  const { dryRun = false, minFiles } = options;
  const result = await optimizeTable(lake, table, { dryRun, minFiles });
  if (options.json === true) {
    return printJson({
      table: table.name,
      dry_run: dryRun,
      files_before: result.filesBefore,
      files_after: result.filesAfter,
      bytes_before: result.bytesBefore,
      bytes_after: dryRun ? null : result.bytesAfter,
      versions: result.versions,
    });
  }
  const verb = dryRun ? 'would pack' : 'packed';
  console.log(`${verb} ${result.filesBefore} files of ${table.name} into ${result.filesAfter}`);
}

async function withLake(body: (lake: Lake) => Promise<void>): Promise<void> {
  const config = loadConfig(process.env);
  await using lake = await openLake(config, { log: createLogger({ name: 'table', level: config.logLevel }) });
  await body(lake);
}

function withTable(name: string, body: (lake: Lake, table: LakeTable) => Promise<void>): Promise<void> {
  return withLake(async (lake) => {
    const table = await openTable(lake, name);
    if (table === undefined) throw fault('LAKE_TABLE_MISSING', { table: name });
    await body(lake, table);
  });
}

function withJson(command: Command): Command {
  return command.option('--json', 'print JSON');
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a whole number from 1');
}

function printJson(value: unknown): void {
  console.log(JSON.stringify(value, null, 2));
}
