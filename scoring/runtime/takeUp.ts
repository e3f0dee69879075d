import { answeredAppId } from '../../ingestion/answered.ts';
import { partitionName } from '../../ingestion/partitionIdentity.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { claimStart } from '../starts.ts';
import { readDecisionsTail, type TailSource } from './decisionsTail.ts';
import { planRestore, type RestorePlan } from './positions.ts';
import type { OpenSource, OpenTopic, TopicNow } from './sources.ts';

/** How the partitions of one source are taken up. */
export interface SourcePlan {
  readonly source: OpenSource;
  readonly now: TopicNow;
  readonly plans: readonly RestorePlan[];
}

/**
 * Where each assigned partition goes on. No batch of ours may be under way: it moves what is read here.
 * @throws LANDING_RETENTION_OVERTOOK, LANDING_LOG_TRUNCATED, KAFKA_UNAVAILABLE
 */
export async function planTakeUp(
  deps: {
    readonly lake: Lake;
    readonly decisions: OpenTopic;
    readonly tail: Omit<TailSource, 'contract'>;
    /** See `claimFirstOffsets`. */
    readonly firstOffsets: ReadonlyMap<string, number>;
  },
  now: ReadonlyMap<string, TopicNow>,
  assigned: ReadonlyMap<OpenSource, readonly number[]>,
): Promise<SourcePlan[]> {
  const { decisions, firstOffsets, lake } = deps;
  const decided = nowOf(now, decisions);
  const partitions = new Set([...assigned.values()].flat());
  const source = { ...deps.tail, contract: decisions.contract };
  const tail = await readDecisionsTail(source, decided.state, { partitions, landed: decided.landed });
  const plan = async (of: OpenSource, partition: number): Promise<RestorePlan[]> => {
    const { state, landed } = nowOf(now, of);
    const log = state.partitions.find((one) => one.partition === partition);
    if (log === undefined) return [];
    const place = { topic: of.contract.topic, topicId: of.topicId, partition };
    const name = partitionName(place);
    const start = await claimStart(lake, place, firstOffsets.get(name) ?? log.logStart);
    const facts = {
      ...{ place, start, landed: landed.get(partition) },
      ...{ logStart: log.logStart, logEnd: log.logEnd },
      ...{ decided: decided.snapshot.txns.get(answeredAppId(place)), tail: tail.get(name) },
    };
    return [planRestore(facts)];
  };
  return await Promise.all(
    [...assigned].map(async ([of, numbers]) => {
      const plans = await Promise.all(numbers.map((partition) => plan(of, partition)));
      return { source: of, now: nowOf(now, of), plans: plans.flat() };
    }),
  );
}

/** The landed offsets of all partitions, as the first scorer of a lake finds them. Pure. */
export function landedOffsets(
  now: ReadonlyMap<string, TopicNow>,
  sources: readonly OpenSource[],
): ReadonlyMap<string, number> {
  return new Map(
    sources.flatMap((source) => {
      const { contract, topicId } = source;
      const { state, landed } = nowOf(now, source);
      return state.partitions.map(({ partition, logStart }) => {
        const name = partitionName({ topic: contract.topic, topicId, partition });
        return [name, landed.get(partition) ?? logStart] as const;
      });
    }),
  );
}

// === Helpers ===

function nowOf(now: ReadonlyMap<string, TopicNow>, { contract }: OpenTopic): TopicNow {
  const found = now.get(contract.topic);
  if (found === undefined) throw new Error(`${contract.topic} was not read`);
  return found;
}
