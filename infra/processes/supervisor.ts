import { mkdirSync } from 'node:fs';
import { systemClock } from '../core/clock.ts';
import { runProcess } from '../core/lifecycle.ts';
import { stopOrphans } from '../stack/orphans.ts';
import { planProcesses } from '../stack/processPlan.ts';
import { settingsHash } from '../stack/settings.ts';
import { stackPaths } from '../stack/stackPaths.ts';
import { supervise } from '../stack/supervisor.ts';
import { takeSupervisorLock } from '../stack/supervisorLock.ts';

/** Keeps the stack running; started by `tidemark up`, ended by `tidemark down`. One a home directory. */
await runProcess('supervisor', async ({ config, log, signal }) => {
  const taken = await takeSupervisorLock(config.homeDir);
  if (taken.kind === 'held') {
    log.info({}, 'another supervisor runs here; nothing to do');
    return;
  }
  await using _lock = taken.lock;
  const paths = stackPaths(config.homeDir);
  mkdirSync(paths.runDir, { recursive: true });
  // Before anything is started: what a killed supervisor left holds our ports and directories.
  const orphans = await stopOrphans(paths);
  if (orphans.length > 0) log.warn({ orphans }, 'stopped what an earlier supervisor left behind');
  await supervise(
    {
      specs: planProcesses(config),
      homeDir: config.homeDir,
      stateFile: paths.stateFile,
      settings: settingsHash(config),
      clock: systemClock,
      log,
    },
    { signal },
  );
});
