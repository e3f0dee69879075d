import { isFault } from '../infra/core/errorCatalog.ts';
import { fetchTopicStates } from '../infra/core/kafka.ts';
import { readTopic } from '../infra/core/kafkaReader.ts';
import type { Logger } from '../infra/core/ports.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { scan } from '../lakehouse/scan.ts';
import type { LakeTable } from '../lakehouse/table.ts';
import { FILE_ID_PREFIX, landedProgress } from './progress.ts';

/**
 * When the first live record of a topic arrived, in milliseconds: history must end before it. From the
 * table once live records have landed; before that from Kafka, and when no broker answers there is none.
 */
export async function firstLiveArrival(
  lake: Lake,
  table: LakeTable,
  source: {
    readonly cluster: string;
    readonly topic: string;
    readonly brokers: readonly string[];
    readonly log: Logger;
  },
): Promise<number | undefined> {
  const { cluster, topic } = source;
  const landed = landedProgress(await table.snapshot(), { tableId: table.id, cluster, topic });
  const hasLive = [...landed].some(
    ([topicId, next]) =>
      !topicId.startsWith(FILE_ID_PREFIX) && [...next.values()].some((offset) => offset > 0),
  );
  return hasLive ? await firstLandedArrival(lake, table) : await firstArrivalInKafka(source);
}

// === Helpers ===

async function firstLandedArrival(lake: Lake, table: LakeTable): Promise<number | undefined> {
  await using rows = await scan(lake, await table.snapshot(), { columns: ['_topic_id', '_arrived_at'] });
  await using session = await lake.duckdb.connect();
  const [row] = await session.rows(
    `SELECT epoch_ms(min(_arrived_at)) AS first FROM ${rows.sql} WHERE NOT starts_with(_topic_id, '${FILE_ID_PREFIX}')`,
  );
  const first = row?.['first'];
  return first === null || first === undefined ? undefined : Number(first);
}

async function firstArrivalInKafka(source: {
  readonly topic: string;
  readonly brokers: readonly string[];
  readonly log: Logger;
}): Promise<number | undefined> {
  const { brokers, topic, log } = source;
  try {
    const [state] = await fetchTopicStates(brokers, [topic], { retries: 0 });
    const ranges = (state?.partitions ?? [])
      .filter(({ logStart, logEnd }) => logStart < logEnd)
      .map(({ partition, logStart }) => ({ partition, from: logStart, to: logStart + 1 }));
    let first: number | undefined;
    await readTopic({ brokers, topic, ranges, log }, async ({ records }) => {
      for (const { timestamp } of records)
        first = Math.min(first ?? Number.POSITIVE_INFINITY, Number(timestamp));
    });
    return first;
  } catch (error) {
    if (!isFault(error, 'KAFKA_UNAVAILABLE')) throw error;
    log.info({ topic }, 'no broker answers, so no live record can come before this history');
    return undefined;
  }
}
