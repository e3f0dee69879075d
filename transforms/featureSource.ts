import type { FeatureInput, FeatureSource } from './feature.ts';
import type { ValueType } from './featureOperations.ts';
import { type Rates, ratesOf, type SeedTable } from './featureRates.ts';

export interface ResolvedInput {
  readonly name: string;
  readonly input: FeatureInput;
  readonly type: ValueType;
}

/** A source with what its inputs need. */
export interface ResolvedSource {
  readonly source: FeatureSource;
  readonly inputs: readonly ResolvedInput[];
  /** By input, for those that are exchanged. */
  readonly rates: ReadonlyMap<string, Rates>;
}

/** Pure. @throws FEATURE_INVALID */
export function resolveSource(source: FeatureSource, seeds: ReadonlyMap<string, SeedTable>): ResolvedSource {
  const inputs = Object.entries(source.inputs).map(([name, input]) => ({
    name,
    input,
    type: input.kind === 'text' ? ('text' as const) : ('number' as const),
  }));
  return { source, inputs, rates: ratesOf(source.inputs, seeds) };
}

/** Sums of it are exact. Pure. */
export function isWhole(input: FeatureInput): boolean {
  return input.kind === 'whole' || input.kind === 'total' || input.kind === 'exchanged';
}

/** The hash of the seed that an input reads; undefined without one. Pure. */
export function seedHashOf(
  input: FeatureInput | undefined,
  seeds: ReadonlyMap<string, SeedTable>,
): string | undefined {
  return input?.kind === 'exchanged' ? seeds.get(input.seed)?.hash : undefined;
}
