import type { TopicState } from '../../infra/core/kafka.ts';
import type { KafkaRecord } from '../../infra/core/kafkaGroup.ts';
import { readTopic } from '../../infra/core/kafkaReader.ts';
import type { Logger } from '../../infra/core/ports.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { compileDecoder, type Decoder } from '../../ingestion/decoder.ts';
import { partitionName } from '../../ingestion/partitionIdentity.ts';
import { placeOf } from '../decision.ts';

export interface TailSource {
  readonly brokers: readonly string[];
  /** Of the topic of decisions. */
  readonly contract: Contract;
  readonly log: Logger;
  readonly signal?: AbortSignal;
}

/**
 * How far source partitions are decided beyond what has landed: 1 + the highest offset by `partitionName`,
 * of the decisions in these partitions from `landed` to the end of the log. What is no good record decides
 * nothing, as in bronze. @throws KAFKA_UNAVAILABLE
 */
export async function readDecisionsTail(
  source: TailSource,
  state: TopicState,
  tail: { readonly partitions: ReadonlySet<number>; readonly landed: ReadonlyMap<number, number> },
): Promise<ReadonlyMap<string, number>> {
  const { contract, brokers, log, signal } = source;
  const decoder = compileDecoder(contract);
  const next = new Map<string, number>();
  const ranges = state.partitions
    .filter(({ partition }) => tail.partitions.has(partition))
    .map(({ partition, logStart, logEnd }) => {
      return { partition, from: Math.max(logStart, tail.landed.get(partition) ?? 0), to: logEnd };
    });
  const request = { brokers, topic: contract.topic, ranges, log, ...(signal && { signal }) };
  await readTopic(request, async ({ records }) => {
    for (const record of records) note(next, decoder, { contract, record });
  });
  return next;
}

// === Helpers ===

/** hot path */
function note(
  next: Map<string, number>,
  decoder: Decoder,
  { contract, record }: { readonly contract: Contract; readonly record: KafkaRecord },
): void {
  const { key, value, timestamp } = record;
  const judged = decoder.judge({ key, value, arrivedAtMs: Number(timestamp) });
  if (judged.kind === 'bad' || contract.answers === undefined) return;
  const decision = JSON.parse(Buffer.from(judged.json).toString('utf8')) as Record<string, unknown>;
  const place = placeOf(String(decision[contract.answers]));
  if (place === undefined) return;
  const name = partitionName(place);
  next.set(name, Math.max(next.get(name) ?? 0, place.offset + 1));
}
