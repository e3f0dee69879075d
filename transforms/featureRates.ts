import { readFile } from 'node:fs/promises';
import { fault } from '../infra/core/errorCatalog.ts';
import type { FeatureInput } from './feature.ts';
import type { Seed } from './project.ts';

/** The rows of a CSV seed as text, and the hash of its content. */
export interface SeedTable {
  readonly hash: string;
  readonly rows: readonly Readonly<Record<string, string>>[];
}

/** A rate in lowest terms; both fit an integer of 53 bits. */
export interface Rate {
  readonly numerator: number;
  readonly denominator: number;
}

export type Rates = ReadonlyMap<string, Rate>;

/** Reads a seed whose cells hold neither commas nor quotes. @throws FEATURE_INVALID */
export async function readSeedTable(seed: Seed): Promise<SeedTable> {
  const text = await readFile(seed.path, 'utf8');
  if (text.includes('"')) throw invalid(seed.name, 'a quoted cell');
  const [head = '', ...lines] = text.trim().split(/\r?\n/);
  const columns = head.split(',');
  return {
    hash: seed.hash,
    rows: lines.map((line) => {
      const cells = line.split(',');
      if (cells.length !== columns.length) throw invalid(seed.name, `${cells.length} cells in '${line}'`);
      return Object.fromEntries(columns.map((column, i) => [column, cells[i] as string]));
    }),
  };
}

/** The rates of all exchanged inputs, by input. Pure. @throws FEATURE_INVALID */
export function ratesOf(
  inputs: Readonly<Record<string, FeatureInput>>,
  seeds: ReadonlyMap<string, SeedTable>,
): Map<string, Rates> {
  const rates = new Map<string, Rates>();
  for (const [name, input] of Object.entries(inputs)) {
    if (input.kind !== 'exchanged') continue;
    const { seed, key, rate } = input;
    const table = seeds.get(seed);
    if (table === undefined) throw invalid(seed, 'no such seed');
    rates.set(name, new Map(table.rows.map((row) => [row[key] ?? '', parseRate(seed, row[rate])])));
  }
  return rates;
}

// === Helpers ===

const PLACES = 9;

function parseRate(seed: string, text: string | undefined): Rate {
  const match = /^(\d{1,6})(?:\.(\d{1,9}))?$/.exec(text ?? '');
  if (match === null) throw invalid(seed, `the rate '${text}' is no decimal with at most ${PLACES} places`);
  const [, whole, places = ''] = match;
  const numerator = Number(`${whole}${places.padEnd(PLACES, '0')}`);
  const denominator = 10 ** PLACES;
  const divisor = commonDivisor(numerator, denominator);
  return { numerator: numerator / divisor, denominator: denominator / divisor };
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

function invalid(feature: string, problem: string): Error {
  return fault('FEATURE_INVALID', { feature: `(seed ${feature})`, problem });
}
