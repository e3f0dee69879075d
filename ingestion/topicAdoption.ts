import { sqlText } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import type { TopicState } from '../infra/core/kafka.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { field } from '../lakehouse/schema.ts';
import { createTable, type LakeTable } from '../lakehouse/table.ts';
import type { Contract } from './contract.ts';
import { FILE_ID_PREFIX, landedProgress, landingAppId } from './progress.ts';

/** What a person accepts with `topics adopt`, so that landing may go on. */
export type Adoption =
  | { readonly kind: 'nothing' }
  /** The topic was made again: its new incarnation lands behind the old ones. */
  | { readonly kind: 'recreated'; readonly moves: readonly Move[] }
  /** Kafka removed records before they landed: landing goes on at the start of the log. */
  | { readonly kind: 'overtaken'; readonly moves: readonly Move[] };

export interface Move {
  readonly partition: number;
  /** The txn that stands now. */
  readonly expected: number | undefined;
  /** Where landing goes on. */
  readonly to: number;
}

/** Adoptions in their order: which incarnation of a topic follows which, and what was lost. */
const ADOPTIONS_TABLE = 'ops.adoptions';

/** What there is to adopt. Pure. @throws LANDING_LOG_TRUNCATED, which no adoption can mend */
export function planAdoption(
  state: TopicState,
  landed: ReadonlyMap<string, ReadonlyMap<number, number>>,
): Adoption {
  const { topic, partitions } = state;
  const next = landed.get(state.topicId);
  if (next === undefined) {
    const hasOthers = [...landed.keys()].some((topicId) => !topicId.startsWith(FILE_ID_PREFIX));
    const moves = partitions.map(({ partition, logStart }) => ({
      partition,
      expected: undefined,
      to: logStart,
    }));
    return hasOthers ? { kind: 'recreated', moves } : { kind: 'nothing' };
  }
  const moves: Move[] = [];
  for (const { partition, logStart, logEnd } of partitions) {
    const expected = next.get(partition);
    if (expected === undefined) continue;
    if (expected > logEnd) throw fault('LANDING_LOG_TRUNCATED', { topic, partition, next: expected, logEnd });
    if (expected < logStart) moves.push({ partition, expected, to: logStart });
  }
  return moves.length > 0 ? { kind: 'overtaken', moves } : { kind: 'nothing' };
}

/** Accepts what has happened to a topic. @throws LANDING_LOG_TRUNCATED, LANDING_TOPIC_BUSY */
export async function adoptTopic(
  lake: Lake,
  target: { readonly table: LakeTable; readonly contract: Contract; readonly cluster: string },
  state: TopicState,
): Promise<Adoption> {
  const { table, contract, cluster } = target;
  const base = await table.snapshot();
  const place = { tableId: table.id, cluster, topic: contract.topic };
  const adoption = planAdoption(state, landedProgress(base, place));
  if (adoption.kind === 'nothing') return adoption;
  // The note first: a crash between the two repeats it, and the newest note of an incarnation counts.
  await noteAdoption(lake, state, adoption);
  const result = await table.commit({
    operation: 'ADOPT TOPIC',
    info: { landing: adoption.moves.map((move) => landingEntry(state, move)) },
    base,
    // COMMIT POINT, in the lake: from here on landing may start at these offsets.
    txns: adoption.moves.map(({ partition, expected, to }) => ({
      appId: landingAppId(place, state.topicId, partition),
      expected,
      version: to,
    })),
    reads: 'nothing',
  });
  if (result.kind === 'conflict') throw fault('LANDING_TOPIC_BUSY', { topic: contract.topic });
  return adoption;
}

// === Helpers ===

/** A link of the chain of ranges that fetched nothing: what it covers is lost, and says so. */
function landingEntry({ topic, topicId }: TopicState, { partition, expected, to }: Move) {
  const from = expected ?? to;
  return { topic, topicId, partition, from, to, fetched: 0, good: 0, bad: 0, lost: to - from };
}

async function noteAdoption(lake: Lake, state: TopicState, adoption: Exclude<Adoption, { kind: 'nothing' }>) {
  const table = await createTable(lake, {
    name: ADOPTIONS_TABLE,
    fields: [
      field('adopted_at', 'timestamp'),
      field('topic', 'string'),
      field('topic_id', 'string'),
      field('reason', 'string'),
      field('lost_records', 'long'),
      field('moves', 'string'),
    ],
    partitionColumns: [],
    description: 'What was accepted with topics adopt',
  });
  const lost = adoption.moves.reduce((sum, { expected, to }) => sum + to - (expected ?? to), 0);
  await using session = await lake.duckdb.connect();
  const select = `SELECT make_timestamptz(${lake.clock.nowMs()} * 1000) AS adopted_at,
    ${sqlText(state.topic)} AS topic, ${sqlText(state.topicId)} AS topic_id,
    ${sqlText(adoption.kind)} AS reason, ${lost} AS lost_records,
    ${sqlText(JSON.stringify(adoption.moves))} AS moves`;
  const adds = await table.stage({ session, select, partitionValues: {} });
  await table.commit({ operation: 'WRITE', base: await table.snapshot(), adds, reads: 'nothing' });
}
