import { systemClock } from '../core/clock.ts';
import { loadConfig } from '../core/config.ts';
import { removeState } from '../stack/stackClean.ts';
import { bringDown } from '../stack/stackDown.ts';
import { stackPaths } from '../stack/stackPaths.ts';
import type { RegisterCommand } from './main.ts';

/** `tidemark clean`: `down`, then the data of this stack is removed. */
export const registerClean: RegisterCommand = (program) => {
  program
    .command('clean')
    .description('stop the stack and remove its data: topics, lake, logs; downloads are kept')
    .action(async () => {
      const config = loadConfig(process.env);
      await bringDown({ config, clock: systemClock });
      const removed = removeState(config);
      const { homeDir, cacheDir } = stackPaths(config.homeDir);
      console.error(
        removed.length === 0 ? 'nothing to remove' : `removed from ${homeDir}: ${removed.join(', ')}`,
      );
      console.error(`kept: ${cacheDir} (history made before) and ${config.toolsDir} (downloads)`);
      if (!config.lake.uri.startsWith(homeDir)) console.error(`kept: the lake ${config.lake.uri}`);
    });
};
