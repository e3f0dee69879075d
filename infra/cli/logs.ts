import { InvalidArgumentError } from 'commander';
import { systemClock } from '../core/clock.ts';
import { loadConfig } from '../core/config.ts';
import { followLogs, lastLines, selectLogs } from '../stack/logFiles.ts';
import { stackPaths } from '../stack/stackPaths.ts';
import type { RegisterCommand } from './main.ts';

/** `tidemark logs`: the ends of the logs, each line with the name of its process. */
export const registerLogs: RegisterCommand = (program) => {
  program
    .command('logs')
    .description('show the ends of the logs of the stack')
    .argument('[names...]', 'processes, such as kafka or ingest; all when none is named')
    .option('-n, --lines <count>', 'lines of each log', parseCount, 20)
    .option('-f, --follow', 'go on with what is added, until Ctrl-C')
    .action(async (names: string[], { lines, follow = false }: { lines: number; follow?: boolean }) => {
      const logs = selectLogs(stackPaths(loadConfig(process.env).homeDir), names);
      const width = Math.max(0, ...logs.map(({ name }) => name.length));
      const print = ({ name }: { name: string }, line: string) =>
        console.log(`${name.padEnd(width)} | ${line}`);
      for (const log of logs) for (const line of lastLines(log.file, lines)) print(log, line);
      if (!follow) return;
      const controller = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
      await followLogs(logs, print, { clock: systemClock, signal: controller.signal });
    });
};

// === Helpers ===

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0) throw new InvalidArgumentError('expected a whole number.');
  return count;
}
