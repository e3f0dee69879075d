import type { FeatureEntry } from '../feature.ts';
import { DERIVED_FEATURES } from './derived.ts';
import { EVENT_FEATURES } from './event.ts';
import { GOLD_FEATURES } from './gold.ts';
import { STREAM_FEATURES } from './stream.ts';

/**
 * The one list of features. Numbers name the idea in the catalogue of fraud features; where the idea has a
 * longer window, the name says the one that is meant here. Amounts are in cents of the base currency.
 * Columns are the inputs of `sources.ts`.
 */
export const FEATURES: readonly FeatureEntry[] = [
  ...EVENT_FEATURES,
  ...STREAM_FEATURES,
  ...GOLD_FEATURES,
  ...DERIVED_FEATURES,
];
