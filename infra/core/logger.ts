import { pino } from 'pino';
import type { Logger } from './ports.ts';

/** JSON lines on stderr (or `destination`), one object a line; the only import of pino. */
export function createLogger(options: { name: string; level: string; destination?: number }): Logger {
  const { name, level, destination = 2 } = options;
  return pino({ name, level, base: { name } }, pino.destination({ fd: destination, sync: true }));
}
