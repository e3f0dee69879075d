import { Command, CommanderError } from 'commander';
import { classifyError } from '../core/errors.ts';
import { registerClean } from './clean.ts';
import { registerDown } from './down.ts';
import { registerExplain } from './explain.ts';
import { registerFeatures } from './features.ts';
import { registerLand } from './land.ts';
import { registerLogs } from './logs.ts';
import { registerModels } from './models.ts';
import { registerPs } from './ps.ts';
import { registerRelease } from './release.ts';
import { registerRun } from './run.ts';
import { registerSimulate } from './simulate.ts';
import { registerSql } from './sql.ts';
import { registerStatus } from './status.ts';
import { registerTable } from './table.ts';
import { registerTopics } from './topics.ts';
import { registerTrain } from './train.ts';
import { registerUp } from './up.ts';
import { registerVerify } from './verify.ts';

/** Adds one or more commands to the program; one file of this folder a command. */
export type RegisterCommand = (program: Command) => void;

const COMMANDS: readonly RegisterCommand[] = [
  registerUp,
  registerDown,
  registerClean,
  registerPs,
  registerLogs,
  registerRun,
  registerSql,
  registerLand,
  registerSimulate,
  registerStatus,
  registerTable,
  registerRelease,
  registerFeatures,
  registerExplain,
  registerTrain,
  registerModels,
  registerTopics,
  registerVerify,
];

/** Runs one command line. Exit codes: 0 ok, 1 failed, 2 usage. */
async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('tidemark')
    .description('Kafka to gold, exactly once, with SQL on it')
    .showHelpAfterError('(add --help for the options)')
    .exitOverride();
  for (const register of COMMANDS) register(program);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const { code, message, remedy } = classifyError(error);
    console.error(`error ${code}: ${message}`);
    if (remedy !== undefined) console.error(`  → ${remedy}`);
    if (code === 'INTERNAL' && error instanceof Error) console.error(error.stack);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
