import { systemClock } from '../core/clock.ts';
import { loadConfig } from '../core/config.ts';
import { formatReport, reportStack } from '../stack/processReport.ts';
import { bringUp } from '../stack/stackUp.ts';
import type { RegisterCommand } from './main.ts';

const EXAMPLES = `
Settings are environment variables, or lines of a file .env beside this program:
  TIDEMARK_DEMO=off ./tidemark up          an empty stack for topics of your own
  TIDEMARK_KAFKA_PORT=19092 ./tidemark up  another port for the broker
  TIDEMARK_KAFKA=broker:9092 ./tidemark up a broker of yours; none is started`;

const NEXT_STEPS = `
Try next:
  ./tidemark status                                  lag, freshness and version of each table
  ./tidemark sql "select * from gold.hourly_metrics order by hour desc limit 5"
  ./tidemark alerts list                             what people should look at; explain DECISION_ID says why
  ./tidemark models list                             who decides; features list says by what
  ./tidemark verify                                  proof that nothing is lost, doubled or undecided
  ./tidemark logs -f ingest      make down           (make clean also removes the data)`;

/** `tidemark up`: starts what is not running; doing it again changes nothing. */
export const registerUp: RegisterCommand = (program) => {
  program
    .command('up')
    .description('start the stack: Kafka, PostgreSQL, landing, scoring, scheduled jobs, demo traffic')
    .option('--json', 'print what runs as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async ({ json = false }: { json?: boolean }) => {
      const config = loadConfig(process.env);
      const startedMs = performance.now();
      const say = (line: string) => {
        const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
        console.error(`[${seconds.padStart(5)} s] ${line}`);
      };
      const { signal, release } = interruptSignal();
      await bringUp({ config, clock: systemClock, say }, { signal });
      release();
      const report = reportStack(config);
      if (json) return console.log(JSON.stringify(report, null, 2));
      console.log(`${formatReport(report, Date.now())}\n\nLake: ${config.lake.uri}\n${NEXT_STEPS}`);
    });
};

// === Helpers ===

/** Ctrl-C undoes what this command began; a second one ends it at once. */
function interruptSignal(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM'] as const;
  const abort = () => controller.abort(new DOMException('interrupted: stopping again', 'AbortError'));
  for (const name of names) process.once(name, abort);
  const release = () => {
    for (const name of names) process.off(name, abort);
  };
  return { signal: controller.signal, release };
}
