import { FEATURE_SETTINGS, type FeatureSettings } from '../transforms/feature.ts';
import { readSeedTable } from '../transforms/featureRates.ts';
import { buildFeatureSet, type FeatureSet } from '../transforms/featureSet.ts';
import { resolveGold } from '../transforms/goldEntity.ts';
import { loadProject } from '../transforms/project.ts';
import type { Content } from './content.ts';
import { fault } from './core/errorCatalog.ts';

/** The features of a content, one set a source, checked against its contracts. @throws FEATURE_INVALID */
export async function openFeatures(
  { features, contracts, transformsDir }: Content,
  settings: FeatureSettings = FEATURE_SETTINGS,
): Promise<FeatureSet[]> {
  const project = await loadProject(transformsDir);
  const wanted = features.sources.flatMap(({ inputs }) =>
    Object.values(inputs).flatMap((input) => (input.kind === 'exchanged' ? [input.seed] : [])),
  );
  const seeds = new Map(
    await Promise.all(
      [...project.seeds.values()]
        .filter(({ name }) => wanted.includes(name))
        .map(async (seed) => [seed.name, await readSeedTable(seed)] as const),
    ),
  );
  const contractVersions = new Map(contracts.map(({ table, version }) => [table, version]));
  const gold = resolveGold({ content: features, seeds, contractVersions, settings });
  return features.sources.map((source) => {
    const contract = contracts.find(({ table }) => table === source.table);
    if (contract === undefined) {
      throw fault('FEATURE_INVALID', {
        feature: `(source ${source.name})`,
        problem: `no contract of ${source.table}`,
      });
    }
    const { entries } = features;
    return buildFeatureSet({ source, entries, seeds, contractVersion: contract.version, settings, gold });
  });
}
