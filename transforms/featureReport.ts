import { fault } from '../infra/core/errorCatalog.ts';
import type { FeatureEntry } from './feature.ts';
import { type FeatureSet, withNames } from './featureSet.ts';
import { backfillSql } from './featureSql.ts';

/** A feature as people and other programs read it. */
export interface FeatureReport {
  readonly name: string;
  /** Of the idea in the catalogue. */
  readonly number: string;
  readonly kind: FeatureEntry['kind'];
  /** Whose records its windows or tiles hold; null for what has none. */
  readonly entity: string | null;
  readonly description: string;
  /** In words of the list: `count over 24h, where …`. */
  readonly definition: string;
  /** Sources that have it, each with the hash of its definition there. */
  readonly sources: readonly { readonly name: string; readonly table: string; readonly hash: string }[];
}

/** One report a feature, in the order of the list. Pure. */
export function reportFeatures(
  entries: readonly FeatureEntry[],
  sets: readonly FeatureSet[],
): FeatureReport[] {
  return entries.map((entry) => ({
    name: entry.name,
    number: entry.number,
    kind: entry.kind,
    entity: entry.kind === 'stream' || entry.kind === 'gold' ? entry.entity : null,
    description: entry.description,
    definition: definitionOf(entry),
    sources: sets.flatMap(({ source: { name, table }, features }) =>
      features.filter((one) => one.entry.name === entry.name).map(({ hash }) => ({ name, table, hash })),
    ),
  }));
}

/** The report of one feature, with the SQL that fills it from bronze, by source. Pure. @throws FEATURE_UNKNOWN */
export function showFeature(
  entries: readonly FeatureEntry[],
  { sets, name }: { readonly sets: readonly FeatureSet[]; readonly name: string },
): FeatureReport & { readonly sql: Readonly<Record<string, string>> } {
  const reports = reportFeatures(entries, sets);
  const report = reports.find((one) => one.name === name);
  if (report === undefined) {
    throw fault('FEATURE_UNKNOWN', { feature: name, known: reports.map((one) => one.name).join(', ') });
  }
  const sql = sets
    .filter(({ features }) => features.some(({ entry }) => entry.name === name))
    .map((set) => [set.source.name, backfillSql(set, set.source.table, withNames(set, [name]))]);
  return { ...report, sql: Object.fromEntries(sql) };
}

// === Helpers ===

function definitionOf(entry: FeatureEntry): string {
  if (entry.kind === 'gold') {
    const { aggregation, of, window, entity } = entry;
    return `${aggregation}${of === undefined ? '' : ` of ${of}`} over ${window}, same ${entity}`;
  }
  if (entry.kind !== 'stream') return entry.expression;
  const { aggregation, of, window, where, match } = entry;
  return [
    `${aggregation}${of === undefined ? '' : ` of ${of}`} over ${window}`,
    ...(match === undefined ? [] : [`same ${match.join(' and ')}`]),
    ...(where === undefined ? [] : [`where ${where}`]),
  ].join(', ');
}
