import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { openSqlGateway, type SqlAnswer } from '../../lakehouse/sqlGateway.ts';
import { formatAnswer, type SqlFormat } from '../../lakehouse/sqlGatewayFormat.ts';
import { loadConfig, parseDuration } from '../core/config.ts';
import { fault, isFault } from '../core/errorCatalog.ts';
import { createLogger } from '../core/logger.ts';
import { openLake } from '../lake.ts';
import type { RegisterCommand } from './main.ts';

interface SqlOptions {
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly release?: number;
  readonly file?: string;
  readonly timeout: number;
}

/** A statement that does not heed its end is ended with the process, so much later. */
const EXIT_AFTER_MS = 500;

/** `tidemark sql`: one SELECT over one release. Data on stdout, the row count on stderr. */
export const registerSql: RegisterCommand = (program) => {
  program
    .command('sql')
    .description('query bronze, silver, gold and ops: one SELECT over one release, read-only')
    .argument('[statement]', 'the SELECT; - reads it from stdin')
    .option('--file <path>', 'read the statement from a file')
    .option('--release <number>', 'read an older release (default: the newest)', parseCount)
    .addOption(
      new Option('--timeout <duration>', 'stop the statement after this time, such as 500ms, 60s, 5m')
        .argParser(parseTimeout)
        .default(60_000, '60s'),
    )
    .addOption(new Option('--json', 'print one JSON array, a row a line, all digits kept').conflicts('csv'))
    .addOption(new Option('--csv', 'print CSV (RFC 4180) with a header'))
    .addHelpText(
      'after',
      `
Examples:
  tidemark sql "select * from ops.tables"
  tidemark sql "select * from gold.hourly_metrics order by hour desc limit 5"
  tidemark sql --csv --release 12 "from silver.labels" > labels.csv
  echo "select count(*) as n from bronze.dead_letters" | tidemark sql --json -`,
    )
    .action(async (statement: string | undefined, options: SqlOptions, command: Command) => {
      const sql = await statementOf(statement, options, command);
      await runStatement(sql, options);
    });
};

// === Helpers ===

async function statementOf(
  statement: string | undefined,
  { file }: SqlOptions,
  command: Command,
): Promise<string> {
  if ((statement === undefined) === (file === undefined)) {
    command.error('error: give a statement, or - for stdin, or --file');
  }
  if (file !== undefined) return await readFile(file, 'utf8');
  return statement === '-' ? await text(process.stdin) : (statement ?? '');
}

async function runStatement(sql: string, options: SqlOptions): Promise<void> {
  const config = loadConfig(process.env);
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort(fault('SQL_CANCELLED')));
  await using lake = await openLake(config, { log: createLogger({ name: 'sql', level: 'warn' }) });
  const limits = { ...config.duckdb, timeoutMs: options.timeout };
  const release = options.release === undefined ? {} : { release: options.release };
  try {
    await using gateway = await openSqlGateway(lake, { ...release, limits });
    const startedMs = performance.now();
    await using answer = await gateway.query(sql, { signal: controller.signal });
    const rows = await print(answer, formatOf(options));
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(2);
    console.error(`${rows} rows, release ${gateway.release ?? 'none yet'}, ${seconds} s`);
  } catch (error) {
    if (isFault(error, 'SQL_TIMEOUT') || isFault(error, 'SQL_CANCELLED')) {
      setTimeout(() => process.exit(1), EXIT_AFTER_MS).unref();
    }
    throw error;
  }
}

/** Writes as fast as the reader takes it. A reader that has seen enough (`| head`) is no failure. */
async function print(answer: SqlAnswer, format: SqlFormat): Promise<number> {
  let rows = 0;
  async function* counted() {
    for await (const chunk of answer.chunks) {
      rows += chunk.length;
      yield chunk;
    }
  }
  const pieces = formatAnswer({ columns: answer.columns, chunks: counted() }, format);
  try {
    await pipeline(Readable.from(pieces), process.stdout, { end: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
  return rows;
}

function formatOf({ json, csv }: SqlOptions): SqlFormat {
  if (json === true) return 'json';
  return csv === true ? 'csv' : 'table';
}

function parseCount(value: string): number {
  if (/^[1-9]\d{0,15}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('a release is a number from 1.');
}

function parseTimeout(value: string): number {
  const ms = parseDuration(value);
  if (ms !== undefined && ms > 0) return ms;
  throw new InvalidArgumentError('a duration is written like 500ms, 60s or 5m.');
}
