import { fault } from '../../infra/core/errorCatalog.ts';
import type { TopicReader, TopicState } from '../../infra/core/kafka.ts';
import { openBronze } from '../../ingestion/bronzeTable.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { landedProgress } from '../../ingestion/progress.ts';
import { findIncarnationFault, findTopicFault } from '../../ingestion/topicGuard.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import type { Snapshot } from '../../lakehouse/snapshot.ts';
import type { LakeTable } from '../../lakehouse/table.ts';
import type { FeatureSet } from '../../transforms/featureSet.ts';
import type { GoldView } from '../../transforms/goldView.ts';

/** What is decided: the records of one contract, by one set of features. */
export interface ScoredSource {
  readonly contract: Contract;
  readonly set: FeatureSet;
  /** Of the set's entities; one object for as long as the process lives. */
  readonly gold?: GoldView | undefined;
}

/** A topic with its bronze table, in the incarnation that Kafka has. */
export interface OpenTopic {
  readonly contract: Contract;
  readonly table: LakeTable;
  readonly topicId: string;
}

export interface OpenSource extends OpenTopic, ScoredSource {}

/** A topic as it is in the lake and in Kafka, the latter read later. */
export interface TopicNow {
  readonly snapshot: Snapshot;
  readonly state: TopicState;
  /** Next offset that lands, by partition. */
  readonly landed: ReadonlyMap<number, number>;
}

/** Opens the bronze table of a topic. @throws LANDING_TOPIC_GONE, CONTRACT_OUTDATED */
export async function openTopic(
  lake: Lake,
  contract: Contract,
  states: readonly TopicState[],
): Promise<OpenTopic> {
  const { topic } = contract;
  const state = states.find((one) => one.topic === topic);
  if (state === undefined) throw fault('LANDING_TOPIC_GONE', { topic, topicId: 'unknown' });
  return { contract, table: await openBronze(lake, contract), topicId: state.topicId };
}

/**
 * Lake first, log last: the log reaches at least as far as what has landed of it. By topic.
 * @throws LANDING_* when it is not the topic that was opened, CONTRACT_OUTDATED
 */
export async function readTopicsNow(
  lake: Lake,
  reader: TopicReader,
  { topics, cluster }: { readonly topics: readonly OpenTopic[]; readonly cluster: string },
): Promise<ReadonlyMap<string, TopicNow>> {
  const snapshots = await Promise.all(topics.map((topic) => snapshotOf(lake, topic)));
  const states = await reader.read(topics.map(({ contract }) => contract.topic));
  return new Map(
    topics.map(({ contract, table, topicId }, index) => {
      const { topic, partitions } = contract;
      const state = states.find((one) => one.topic === topic);
      const expected = { topic, topicId, partitions, positions: new Map<number, number>() };
      const problem = findTopicFault(expected, state);
      const snapshot = snapshots[index];
      if (problem !== undefined || state === undefined || snapshot === undefined)
        throw problem ?? fault('LANDING_TOPIC_GONE', { topic, topicId });
      const incarnations = landedProgress(snapshot, { tableId: table.id, cluster, topic });
      const unknown = findIncarnationFault(state, incarnations);
      if (unknown !== undefined) throw unknown;
      return [topic, { snapshot, state, landed: incarnations.get(topicId) ?? new Map() }] as const;
    }),
  );
}

// === Helpers ===

/** The contract in force is a property of the table: whoever has an older one must not judge. */
async function snapshotOf(lake: Lake, { contract, table }: OpenTopic): Promise<Snapshot> {
  await openBronze(lake, contract);
  return await table.snapshot();
}
