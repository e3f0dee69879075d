import { type Command, InvalidArgumentError } from 'commander';
import type { Lake } from '../../lakehouse/lake.ts';
import type { Release } from '../../lakehouse/release.ts';
import { loadProject, type Project } from '../../transforms/project.ts';
import { listReleases, rollBack, unpin } from '../../transforms/rollback.ts';
import { paymentContent } from '../content.ts';
import { loadConfig } from '../core/config.ts';
import { createLogger } from '../core/logger.ts';
import { alignColumns } from '../core/text.ts';
import { openLake } from '../lake.ts';
import type { RegisterCommand } from './main.ts';

interface JsonOption {
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  tidemark release list
  tidemark release rollback gold.hourly_metrics --to 41
  tidemark release unpin gold.hourly_metrics && tidemark run`;

/** `tidemark release …`: which versions readers see together, and how to take a model back. */
export const registerRelease: RegisterCommand = (program) => {
  const release = program
    .command('release')
    .description('list releases; hold a model at an older one, or let it go on')
    .addHelpText('after', EXAMPLES);
  withJson(release.command('list').description('list the newest releases, newest first'))
    .option('--limit <count>', 'how many', parseNumber, 20)
    .action((options: JsonOption & { limit: number }) =>
      withLake(async ({ lake }) => printReleases(await listReleases(lake, options.limit), options)),
    );
  withJson(
    release
      .command('rollback')
      .description('publish a release that holds a model, and what reads it, at an older release until unpin')
      .argument('<model>'),
  )
    .requiredOption('--to <number>', 'the release to go back to', parseNumber)
    .action((model: string, options: JsonOption & { to: number }) =>
      withLake(async (deps) => printReleases([await rollBack(deps, { model, to: options.to })], options)),
    );
  withJson(
    release
      .command('unpin')
      .description('let a model, and what reads it, go on; the next run catches them up')
      .argument('<model>'),
  ).action((model: string, options: JsonOption) =>
    withLake(async (deps) => printReleases([await unpin(deps, { model })], options)),
  );
};

// === Helpers ===

async function withLake(body: (deps: { lake: Lake; project: Project }) => Promise<void>): Promise<void> {
  const config = loadConfig(process.env);
  await using lake = await openLake(config, { log: createLogger({ name: 'release', level: 'warn' }) });
  await body({ lake, project: await loadProject(paymentContent.transformsDir) });
}

function printReleases(releases: readonly Release[], { json = false }: JsonOption): void {
  const rows = releases.map((release) => ({
    release: release.number,
    published_at: new Date(release.createdMs).toISOString(),
    run: release.run,
    tables: release.tables,
    pins: release.pins,
    stale_since: release.staleSince,
  }));
  if (json) {
    console.log(JSON.stringify(rows, null, 2));
    return;
  }
  const header = ['release', 'published_at', 'tables', 'pinned', 'stale', 'run'];
  const namesOf = (tables: object) => Object.keys(tables).join(' ') || '-';
  const cells = rows.map((row) => [
    String(row.release),
    row.published_at,
    String(Object.keys(row.tables).length),
    namesOf(row.pins),
    namesOf(row.stale_since),
    row.run,
  ]);
  console.log(alignColumns(header, cells));
}

function withJson(command: Command): Command {
  return command.option('--json', 'print JSON');
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('expected a whole number from 1 on');
}
