import { type Command, InvalidArgumentError } from 'commander';
import type { TrainingReport } from '../../scoring/training/trainModel.ts';
import { paymentContent } from '../content.ts';
import { loadConfig } from '../core/config.ts';
import { createLogger } from '../core/logger.ts';
import { userName } from '../core/userName.ts';
import { runTraining } from '../training.ts';
import { cardLines, gateLines } from './cardText.ts';
import type { RegisterCommand } from './main.ts';

interface TrainOptions {
  readonly until?: number;
  readonly release?: number;
  readonly promote: boolean;
  readonly by: string;
  readonly json?: boolean;
}

const EXAMPLES = `
Exit code 0 when a model was trained and registered, promoted or not; the last line says why not.

Examples:
  tidemark train                                   from the newest release, promoted when it is better
  tidemark train --until 2026-06-01T00:00:00Z      as if it were that day: nothing that became known later is read
  tidemark train --no-promote --json`;

/** `tidemark train`: a model from what one release knew; blocks this process, which has no other work. */
export const registerTrain: RegisterCommand = (program: Command) => {
  program
    .command('train')
    .description(
      'train a model on one release, judge it by its gates, register it, promote it when it is better',
    )
    .option('--until <time>', 'T (ISO 8601); default: when the release was made', parseTime)
    .option('--release <number>', 'the release to read; default: the newest', parseNumber)
    .option('--no-promote', 'register only')
    .option('--by <name>', 'who asks, for the log of promotions', userName())
    .option('--json', 'print one JSON object with the card')
    .addHelpText('after', EXAMPLES)
    .action(trainAction);
};

// === Helpers ===

async function trainAction({ until, release, promote, by, json = false }: TrainOptions): Promise<void> {
  const order = {
    promote,
    by,
    ...(until === undefined ? {} : { untilMs: until }),
    ...(release === undefined ? {} : { release }),
  };
  const startedMs = performance.now();
  const report = await runTraining(paymentContent, order, {
    config: loadConfig(process.env),
    log: createLogger({ name: 'train', level: 'warn' }),
    say: (line) => console.error(line),
  });
  const seconds = (performance.now() - startedMs) / 1_000;
  const peakMiB = Math.round(process.resourceUsage().maxRSS / 1_024);
  if (json) console.log(JSON.stringify({ ...reportJson(report), seconds, peak_mib: peakMiB }));
  else for (const line of reportLines(report)) console.log(line);
  console.error(`${seconds.toFixed(1)} s, at most ${peakMiB} MiB`);
}

/** With every key, whatever there is. */
function reportJson({ comparison, champion, ...report }: TrainingReport): object {
  return { ...report, comparison: comparison ?? null, champion: champion ?? null };
}

function reportLines({ card, comparison, promoted, champion, reason }: TrainingReport): string[] {
  const standing = champion === undefined ? 'there is no champion' : `the champion stays ${champion}`;
  return [
    ...cardLines(card),
    ...(comparison === undefined ? [] : gateLines(comparison)),
    '',
    promoted ? `promoted: ${reason}` : `not promoted, ${standing}: ${reason}`,
  ];
}

function parseTime(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new InvalidArgumentError('expected a time such as 2026-06-01T00:00:00Z');
  return ms;
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('expected a whole number from 1 on');
}
