import { fault } from '../../infra/core/errorCatalog.ts';
import type { TopicReader } from '../../infra/core/kafka.ts';
import type { Contract } from '../../ingestion/contract.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { keepFeatureList } from '../featureLists.ts';
import { claimFirstOffsets } from '../starts.ts';
import { featureListOf } from '../vectorCodec.ts';
import type { ExpectedTopic } from './identityGuard.ts';
import { type OpenSource, type OpenTopic, openTopic, readTopicsNow, type ScoredSource } from './sources.ts';
import { landedOffsets } from './takeUp.ts';

export interface OpenTopics {
  readonly sources: readonly OpenSource[];
  readonly decisions: OpenTopic;
  /** All of them, the topic of decisions last. */
  readonly all: readonly OpenTopic[];
  /** See `claimFirstOffsets`. */
  readonly firstOffsets: ReadonlyMap<string, number>;
}

/**
 * Opens the tables of the sources and of decisions, says where the first scorer of the lake began, and keeps
 * the lists of features that vectors will follow. @throws LANDING_TOPIC_*, CONTRACT_OUTDATED, SCORING_PARTITIONS
 */
export async function openTopics(
  lake: Lake,
  reader: TopicReader,
  parts: {
    readonly sources: readonly ScoredSource[];
    readonly decisions: Contract;
    readonly cluster: string;
  },
): Promise<OpenTopics> {
  requirePartitions(parts.sources, parts.decisions);
  const contracts = [...parts.sources.map(({ contract }) => contract), parts.decisions];
  const states = await reader.read(contracts.map(({ topic }) => topic));
  const sources = await Promise.all(
    parts.sources.map(async (source) => ({ ...source, ...(await openTopic(lake, source.contract, states)) })),
  );
  const decisions = await openTopic(lake, parts.decisions, states);
  const all = [...sources, decisions];
  const now = await readTopicsNow(lake, reader, { topics: all, cluster: parts.cluster });
  lake.crashPoint('before-starts');
  const firstOffsets = await claimFirstOffsets(lake, landedOffsets(now, sources));
  lake.crashPoint('after-starts');
  for (const { set } of sources) await keepFeatureList(lake, featureListOf(set));
  return { sources, decisions, all, firstOffsets };
}

/** What the identity guard looks for. Pure. */
export function expectedTopics({ all }: OpenTopics): ExpectedTopic[] {
  return all.map(({ contract, topicId }) => {
    return { topic: contract.topic, topicId, partitions: contract.partitions };
  });
}

// === Helpers ===

/** A decision goes to the partition of its record's number. */
function requirePartitions(sources: readonly ScoredSource[], decisions: Contract): void {
  for (const { contract } of sources) {
    if (contract.partitions <= decisions.partitions) continue;
    const { topic, partitions } = contract;
    throw fault('SCORING_PARTITIONS', {
      topic,
      partitions,
      decisions: decisions.topic,
      available: decisions.partitions,
    });
  }
}
