import { classifyError } from '../infra/core/errors.ts';
import type { TopicState } from '../infra/core/kafka.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { openTable } from '../lakehouse/table.ts';
import type { Contract } from './contract.ts';
import { FILE_ID_PREFIX, landedProgress } from './progress.ts';
import { findIncarnationFault, findTopicFault } from './topicGuard.ts';

export interface TopicReport {
  readonly topic: string;
  readonly table: string;
  /** Undefined while the topic is not there. */
  readonly topicId: string | undefined;
  readonly partitions: number;
  /** Records of this incarnation that have not landed. */
  readonly lag: number;
  /** Topic ids that have landed, files included. */
  readonly incarnations: readonly string[];
  /** `ok`, `missing`, or the code of what keeps landing from going on. */
  readonly state: string;
  readonly remedy: string | undefined;
}

/** How a topic and what has landed of it stand to each other. */
export async function reportTopic(
  lake: Lake,
  contract: Contract,
  source: { readonly cluster: string; readonly state: TopicState | undefined },
): Promise<TopicReport> {
  const { topic, table: tableName } = contract;
  const { state, cluster } = source;
  const table = await openTable(lake, tableName);
  const landed =
    table === undefined
      ? new Map<string, ReadonlyMap<number, number>>()
      : landedProgress(await table.snapshot(), { tableId: table.id, cluster, topic });
  const common = { topic, table: tableName, incarnations: [...landed.keys()].sort(liveFirst) };
  if (state === undefined) {
    return { ...common, topicId: undefined, partitions: 0, lag: 0, state: 'missing', remedy: undefined };
  }
  const next = landed.get(state.topicId) ?? new Map<number, number>();
  const expected = { topic, topicId: state.topicId, partitions: contract.partitions, positions: next };
  const problem = findIncarnationFault(state, landed) ?? findTopicFault(expected, state);
  const verdict = problem === undefined ? { code: 'ok', remedy: undefined } : classifyError(problem);
  return {
    ...common,
    topicId: state.topicId,
    partitions: state.partitions.length,
    lag: state.partitions.reduce(
      (lag, { partition, logStart, logEnd }) => lag + Math.max(0, logEnd - (next.get(partition) ?? logStart)),
      0,
    ),
    state: verdict.code,
    remedy: verdict.remedy,
  };
}

// === Helpers ===

function liveFirst(a: string, b: string): number {
  const order = Number(a.startsWith(FILE_ID_PREFIX)) - Number(b.startsWith(FILE_ID_PREFIX));
  return order === 0 ? a.localeCompare(b) : order;
}
