import { join } from 'node:path';

/** Where the stack keeps what, below Config.homeDir. */
export interface StackPaths {
  readonly homeDir: string;
  readonly logsDir: string;
  readonly runDir: string;
  /** Written by the supervisor; see stackState.ts. */
  readonly stateFile: string;
  /**
   * There from before the first history lands until the first model is trained on it. While it is there
   * decisions, scheduled jobs and the demo's traffic wait; `up` finishes what an interrupted `up` began.
   */
  readonly seedingFile: string;
  readonly kafkaDir: string;
  readonly postgresDir: string;
  /** Not state: what can be made again, kept by `clean`. */
  readonly cacheDir: string;
  readonly historyDir: string;
}

/** The paths below `homeDir`. Pure. */
export function stackPaths(homeDir: string): StackPaths {
  const runDir = join(homeDir, 'run');
  const cacheDir = join(homeDir, 'cache');
  return {
    homeDir,
    logsDir: join(homeDir, 'logs'),
    runDir,
    stateFile: join(runDir, 'stack.json'),
    seedingFile: join(runDir, 'seeding'),
    kafkaDir: join(homeDir, 'kafka'),
    postgresDir: join(homeDir, 'postgres'),
    cacheDir,
    historyDir: join(cacheDir, 'history'),
  };
}

/** The log of the process `name`. Pure. */
export function logFileOf(paths: StackPaths, name: string): string {
  return join(paths.logsDir, `${name}.log`);
}
