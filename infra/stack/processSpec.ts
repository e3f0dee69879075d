import type { ServerCommand } from './serverProcess.ts';

/** One line of the table of supervised processes. */
export interface ProcessSpec {
  readonly name: string;
  /** 0 to 19; larger yields more to others. */
  readonly nice: number;
  /** Names of processes that must be ready before this one starts the first time. */
  readonly needs: readonly string[];
  /** It does not start while this file is there. */
  readonly heldBackBy?: string;
  /** Ports that it listens on, and the setting that moves each. */
  readonly ports: readonly { readonly port: number; readonly setting: string }[];
  /** For people: where it is found. */
  readonly where: string;
  readonly logFile: string;
  /** Prepares its directories and says how it is started; called before each start. */
  command(): ServerCommand;
}
