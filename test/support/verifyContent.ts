import type { Content } from '../../infra/content.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { kafkaOffsets } from '../../observability/kafkaOffsets.ts';
import { keyedTablesOf } from '../../observability/modelKeys.ts';
import { type VerifyReport, verifyLake } from '../../observability/verify.ts';
import { loadProject } from '../../transforms/project.ts';
import { silentLog } from './tempLake.ts';

/** What `tidemark verify --full` does, for any content. */
export async function verifyContent(
  lake: Lake,
  content: Content,
  brokers: readonly string[],
): Promise<VerifyReport> {
  const keyedTables = keyedTablesOf(await loadProject(content.transformsDir));
  return await verifyLake(
    { lake, source: kafkaOffsets({ brokers, log: silentLog }) },
    {
      topics: content.contracts.map(({ topic, table }) => ({ topic, table })),
      keyedTables,
      decisions: 'bronze.decisions',
      isFull: true,
    },
  );
}
