import { parseDuration } from '../../infra/core/config.ts';
import { findFraud } from './casting.ts';
import { DOMAINS, type Domain } from './domains.ts';
import type { Irregularities } from './liveStream.ts';

/** How the simulator's settings are written on a command line. Each parser gives undefined for what is none. */

/** Events a minute over all chosen domains together. */
export const LOAD_LEVELS = { mini: 5, normal: 10_000, peak: 50_000, crisis: 100_000 } as const;

export type LoadLevel = keyof typeof LOAD_LEVELS;

export const DEFAULT_ACTORS = 1_000;
export const DEFAULT_FRAUD_RATE = 0.02;

/** `all` or one domain. */
export function parseDomains(text: string): readonly Domain[] | undefined {
  if (text === 'all') return DOMAINS;
  const domain = DOMAINS.find((name) => name === text);
  return domain === undefined ? undefined : [domain];
}

/** `2%` and `0.5%` as shares of 1. */
export function parsePercent(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text);
  const share = match === null ? Number.NaN : Number(match[1]) / 100;
  return share <= 1 ? share : undefined;
}

/** `amount:1.2@2h`: amounts times 1.2 from two hours after the start. */
export function parseDrift(text: string): Irregularities['drift'] {
  const match = /^amount:(\d+(?:\.\d+)?)@(\w+)$/.exec(text);
  const atMs = parseDuration(match?.[2] ?? '');
  const factor = Number(match?.[1]);
  return atMs === undefined || !(factor > 0) ? undefined : { factor, atMs };
}

/** `takeover@10m`: a wave of that fraud ten minutes after the start. */
export function parseAttack(text: string): Irregularities['attack'] {
  const match = /^(\w+)@(\w+)$/.exec(text);
  const pattern = findFraud(match?.[1] ?? ' ');
  const atMs = parseDuration(match?.[2] ?? '');
  return pattern === undefined || atMs === undefined ? undefined : { pattern, atMs };
}
