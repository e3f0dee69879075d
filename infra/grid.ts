import { openBronze } from '../ingestion/bronzeTable.ts';
import type { Contract } from '../ingestion/contract.ts';
import { partitionName } from '../ingestion/partitionIdentity.ts';
import { FILE_ID_PREFIX, landedProgress } from '../ingestion/progress.ts';
import type { Lake } from '../lakehouse/lake.ts';
import type { FeatureSettings } from '../transforms/feature.ts';
import { FEATURE_SETTINGS } from '../transforms/feature.ts';
import { goldEntitiesOf } from '../transforms/featureSet.ts';
import type { GoldEntity } from '../transforms/goldEntity.ts';
import type { GridSource, Offsets } from '../transforms/grid/closeGrid.ts';
import { createGridRunner, type GridDeps, type GridRunner } from '../transforms/grid/runGrid.ts';
import type { Content } from './content.ts';
import type { Config } from './core/config.ts';
import { isFault } from './core/errorCatalog.ts';
import { fetchTopicStates } from './core/kafka.ts';
import { openFeatures } from './features.ts';

/** Settings of features as the configuration has them. Pure. */
export function featureSettings({ grid }: Pick<Config, 'grid'>): FeatureSettings {
  const { gridMs, graceMs, goldMaxAgeMs } = grid;
  return { ...FEATURE_SETTINGS, gridMs, graceMs, goldMaxAgeMs };
}

/**
 * The grid of a content over a lake: closings, tiles and marts of all its entities. The bronze tables that
 * feed them are there afterwards. @throws FEATURE_INVALID
 */
export async function openGrid(
  lake: Lake,
  content: Content,
  config: GridConfig,
  { beginsWithFiles = true }: Pick<GridDeps, 'beginsWithFiles'> = {},
): Promise<GridRunner> {
  return createGridRunner({ ...(await openGridDeps(lake, content, config)), beginsWithFiles });
}

/** What `openGrid` runs on. */
export async function openGridDeps(lake: Lake, content: Content, config: GridConfig): Promise<GridDeps> {
  const entities = goldEntitiesOf(await openFeatures(content, featureSettings(config)));
  const tables = new Set(entities.flatMap(tablesOf));
  const contracts = content.contracts.filter(({ table }) => tables.has(table));
  const sources = await Promise.all(contracts.map((contract) => openSource(lake, contract, config)));
  return { lake, entities, sources, logEnds: () => logEnds(config, contracts), settings: config.grid };
}

type GridConfig = Pick<Config, 'grid' | 'kafka'>;

// === Helpers ===

function tablesOf({ feeds, labels }: GoldEntity): string[] {
  return [...feeds.map(({ source }) => source.table), ...(labels === undefined ? [] : [labels.table])];
}

async function openSource(lake: Lake, contract: Contract, { kafka }: GridConfig): Promise<GridSource> {
  const { topic } = contract;
  const { id: tableId } = await openBronze(lake, contract);
  return {
    table: contract.table,
    landed: (snapshot) => {
      const progress = landedProgress(snapshot, { tableId, cluster: kafka.cluster, topic });
      return new Map(
        [...progress].flatMap(([topicId, next]) =>
          [...next].map(
            ([partition, offset]) => [partitionName({ topic, topicId, partition }), offset] as const,
          ),
        ),
      );
    },
    isLive: (name) => name.startsWith(`${topic}@`) && !name.startsWith(`${topic}@${FILE_ID_PREFIX}`),
  };
}

/** Undefined when no broker answers. */
async function logEnds({ kafka }: GridConfig, contracts: readonly Contract[]): Promise<Offsets | undefined> {
  const topics = contracts.map(({ topic }) => topic);
  try {
    const states = await fetchTopicStates(kafka.brokers, topics, { retries: 0 });
    return new Map(
      states.flatMap(({ topic, topicId, partitions }) =>
        partitions
          // An empty log has no record to wait for, wherever it begins.
          .filter(({ logStart, logEnd }) => logStart < logEnd)
          .map(({ partition, logEnd }) => [partitionName({ topic, topicId, partition }), logEnd] as const),
      ),
    );
  } catch (error) {
    if (isFault(error, 'KAFKA_UNAVAILABLE')) return undefined;
    throw error;
  }
}
