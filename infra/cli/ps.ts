import { loadConfig } from '../core/config.ts';
import { formatReport, reportStack } from '../stack/processReport.ts';
import type { RegisterCommand } from './main.ts';

/** `tidemark ps`: exit 0 when all processes run, else 1. */
export const registerPs: RegisterCommand = (program) => {
  program
    .command('ps')
    .description('list the processes of the stack; exit 1 unless all of them run')
    .option('--json', 'print JSON')
    .action(({ json = false }: { json?: boolean }) => {
      const report = reportStack(loadConfig(process.env));
      if (report.status !== 'up') process.exitCode = 1;
      if (json) return console.log(JSON.stringify(report, null, 2));
      if (report.processes.length > 0) console.log(formatReport(report, Date.now()));
      if (report.status === 'down') console.error("no supervisor runs; start the stack with 'make up'");
    });
};
