import type { Lake } from '../lakehouse/lake.ts';
import { openRegistry } from '../scoring/registry.ts';
import { HeldGold } from '../scoring/runtime/heldGold.ts';
import type { ScoringDeps } from '../scoring/runtime/scoring.ts';
import { goldEntitiesOf } from '../transforms/featureSet.ts';
import type { Content } from './content.ts';
import type { Config } from './core/config.ts';
import { fault } from './core/errorCatalog.ts';
import type { Logger } from './core/ports.ts';
import { openFeatures } from './features.ts';
import { featureSettings } from './grid.ts';

/** What a scorer of a content needs. @throws FEATURE_INVALID, SCORING_NO_DECISIONS */
export async function openScorer(
  lake: Lake,
  content: Content,
  { config, log }: { readonly config: Config; readonly log: Logger },
): Promise<ScoringDeps> {
  const { contracts, scoring } = content;
  const decisions = contracts.find(({ answers }) => answers !== undefined);
  if (decisions === undefined) throw fault('SCORING_NO_DECISIONS', {});
  const settings = featureSettings(config);
  const sets = await openFeatures(content, settings);
  const gold = new HeldGold({ lake, entities: goldEntitiesOf(sets), settings });
  const sources = sets.flatMap((set) => {
    const contract = contracts.find(({ table }) => table === set.source.table);
    return contract === undefined ? [] : [{ set, contract, gold: gold.view }];
  });
  const { groupId, ...limits } = config.score;
  const { brokers, cluster } = config.kafka;
  return {
    lake,
    sources,
    gold,
    decisions,
    policy: scoring.policy,
    registry: openRegistry(lake),
    kafka: { brokers, cluster, groupId },
    limits,
    log,
  };
}
