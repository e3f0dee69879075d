import { systemClock } from '../core/clock.ts';
import { loadConfig } from '../core/config.ts';
import { bringDown } from '../stack/stackDown.ts';
import type { RegisterCommand } from './main.ts';

/** `tidemark down`: stops all of the stack; the data stays. */
export const registerDown: RegisterCommand = (program) => {
  program
    .command('down')
    .description('stop the stack; all data stays')
    .action(async () => {
      const ran = await bringDown({ config: loadConfig(process.env), clock: systemClock });
      console.error(ran ? 'the stack is down' : 'nothing was running');
    });
};
