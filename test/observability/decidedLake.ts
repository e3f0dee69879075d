import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ARRIVAL_DATE, bronzeFields, bronzeSelect } from '../../ingestion/bronze.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { decisions } from '../../ingestion/contracts/decisions.ts';
import { createTable } from '../../lakehouse/table.ts';
import { type Decision, decisionId } from '../../scoring/decision.ts';
import { encodeVector, featureListHash, featureListOf } from '../../scoring/vectorCodec.ts';
import { STATUS_LETTERS } from '../../scoring/vectorStatus.ts';
import type { FeatureSet } from '../../transforms/featureSet.ts';
import { createStreamState } from '../../transforms/featureStream.ts';
import type { GoldView } from '../../transforms/goldView.ts';
import type { TempLake } from '../support/tempLake.ts';
import { landRecords } from '../transforms/bronzeRows.ts';
import type { StreamRecord } from '../transforms/features/randomStream.ts';

/** Lands records as good rows, with the SQL of landing; what is of a file landed at `fileLandedAtMs`. */
export async function landStream(
  lake: TempLake,
  contract: Contract,
  records: readonly StreamRecord[],
  fileLandedAtMs = 0,
): Promise<void> {
  const fields = bronzeFields(contract);
  const table = await createTable(lake, { name: contract.table, fields, partitionColumns: [ARRIVAL_DATE] });
  await using session = await lake.duckdb.connect();
  for (const [topicId, own] of Map.groupBy(records, (record) => record.topicId)) {
    const path = join(lake.stagingDir, `${encodeURIComponent(topicId)}.ndjson`);
    const lines = own.map(({ partition, offset, arrivedAtMs, value }) =>
      JSON.stringify({ _p: partition, _o: offset, _t: arrivedAtMs, ...value }),
    );
    await writeFile(path, `${lines.join('\n')}\n`);
    const ingestedAtMs = topicId.startsWith('file:') ? fileLandedAtMs : Date.UTC(2027, 0, 1);
    const rows = bronzeSelect(contract, { path, longestLine: 4_096, topicId, ingestedAtMs });
    const adds = await table.stagePartitions({
      session,
      select: `select *, cast(_arrived_at as date) as ${ARRIVAL_DATE} from (${rows})`,
    });
    const base = await table.snapshot();
    await table.commit({ operation: 'STREAMING UPDATE', base, adds, reads: 'nothing' });
  }
}

/** What a scorer decides about live records, vectors and statuses as it sees them; records in the order of their places. */
export function decideStream(
  set: FeatureSet,
  source: { readonly topic: string; readonly eventId?: string },
  records: readonly StreamRecord[],
  view?: GoldView,
): Decision[] {
  const feature_list = featureListHash(featureListOf(set));
  const vector = new Float32Array(set.features.length);
  const streams = new Map<number, ReturnType<typeof createStreamState>>();
  return records.flatMap((record) => {
    const { topicId, partition, offset, key, eventTimeMs, arrivedAtMs } = record;
    const stream = streams.get(partition) ?? createStreamState(set, view);
    streams.set(partition, stream);
    if (topicId.startsWith('file:')) {
      stream.fold(record);
      return [];
    }
    const windows = stream.next(record, vector);
    const letters = [windows, ...stream.gold.statuses.map(({ status }) => status)].map(
      (one) => STATUS_LETTERS[one],
    );
    const id = source.eventId === undefined ? undefined : record.value[source.eventId];
    return {
      decision_id: decisionId({ topic: source.topic, topicId, partition, offset }),
      key,
      ...(typeof id === 'string' && { event_id: id }),
      event_time: new Date(eventTimeMs).toISOString(),
      decided_at: new Date(arrivedAtMs).toISOString(),
      decision: 'review',
      risk_tier: 'high',
      reason_code: 'NO_MODEL',
      feature_list,
      vector: encodeVector(vector),
      statuses: letters.join(''),
    } satisfies Decision;
  });
}

/** Lands decisions in their order, each at the next offset of its partition from `from` on. */
export async function landDecisions(lake: TempLake, given: readonly Decision[], from = 0): Promise<void> {
  const next = new Map<number, number>();
  const records = given.map((value) => {
    const partition = Number(value.decision_id.split(':').at(-2));
    const offset = next.get(partition) ?? from;
    next.set(partition, offset + 1);
    return { partition, offset, arrivedAt: value.decided_at, value: { ...value } };
  });
  await landRecords(lake, decisions, records);
}
