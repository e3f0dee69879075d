import { namesIn } from '../transforms/featureExpression.ts';
import type { Feature, FeatureSet } from '../transforms/featureSet.ts';

/** The letters of a decision's statuses, and which of them each feature stands on. */
export interface StatusesBehind {
  /** What the letters are about: the windows first, then the gold entities that the set has features of. */
  readonly names: readonly string[];
  /** By place of the feature in the vector; places in `names`. */
  readonly places: readonly (readonly number[])[];
}

/** Pure. */
export function statusesBehind(set: FeatureSet): StatusesBehind {
  const entities = set.gold
    .map(({ name }) => name)
    .filter((name) => set.features.some(({ gold }) => gold?.entry.entity === name));
  const names = [WINDOWS, ...entities];
  const made = new Map<string, readonly number[]>();
  for (const feature of set.features) {
    const own = ownStatus(feature);
    const stood = standsOn(feature).flatMap((name) => made.get(name) ?? []);
    const places = own === undefined ? stood : [names.indexOf(own), ...stood];
    made.set(
      feature.entry.name,
      [...new Set(places)].toSorted((a, b) => a - b),
    );
  }
  return { names, places: [...made.values()] };
}

// === Helpers ===

const WINDOWS = 'windows';

function ownStatus({ selection, gold }: Feature): string | undefined {
  return selection === undefined ? gold?.entry.entity : WINDOWS;
}

function standsOn({ expression }: Feature): string[] {
  return expression === undefined ? [] : [...namesIn(expression)];
}
