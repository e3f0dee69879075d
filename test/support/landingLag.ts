import type { Content } from '../../infra/content.ts';
import { fetchTopicStates } from '../../infra/core/kafka.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { openTable } from '../../lakehouse/table.ts';

/** Records that Kafka has and the lake has not: end offsets less the positions that bronze commits hold. */
export async function landingLag(lake: Lake, content: Content, brokers: readonly string[]): Promise<number> {
  const states = await fetchTopicStates(
    brokers,
    content.contracts.map(({ topic }) => topic),
  );
  let lag = 0;
  for (const { topic, table } of content.contracts) {
    const state = states.find((one) => one.topic === topic);
    const snapshot = await (await openTable(lake, table))?.snapshot();
    for (const { partition, logEnd } of state?.partitions ?? []) {
      const place = `:${topic}@${state?.topicId}:${partition}`;
      const next = [...(snapshot?.txns ?? [])].find(([appId]) => appId.endsWith(place))?.[1] ?? 0;
      lag += logEnd - next;
    }
  }
  return lag;
}
