import { type SqlJson, type SqlSession, sqlName } from '../infra/core/duckdb.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { openTable } from '../lakehouse/table.ts';
import { readFeatureList } from '../scoring/featureLists.ts';
import { featureListHash, featureListOf } from '../scoring/vectorCodec.ts';
import type { FeatureSet } from '../transforms/featureSet.ts';
import { backfillSql } from '../transforms/featureSql.ts';
import { openHistory, type SampleRequest, sampleDecisions, sampledLists } from './paritySample.ts';
import { openTiles } from './parityTiles.ts';
import { createComparison, type Difference, type FeatureCounts } from './vectorComparison.ts';

/** A source of features, and the topic that its records are in. */
export interface ParitySource {
  readonly set: FeatureSet;
  readonly topic: string;
}

export interface ParityRequest extends SampleRequest {
  readonly sources: readonly ParitySource[];
  /** The bronze table of decisions. */
  readonly decisions: string;
}

/** What of one source was compared. */
export interface SourceParity {
  readonly source: string;
  readonly vectors: number;
  /** Records that have not landed yet. */
  readonly waiting: number;
  /** Decisions with a vector about what is no good record in bronze. */
  readonly unexplained: number;
  readonly unreadable: number;
  readonly statusDiffers: number;
  readonly features: readonly FeatureCounts[];
}

/** Vectors of features as they are defined no more; `changed` is undefined when their list is not kept. */
export interface OtherList {
  readonly topic: string;
  readonly list: string;
  readonly vectors: number;
  readonly changed: readonly string[] | undefined;
}

export interface ParityReport {
  /** The newest decisions that were looked at, and those of them that have no vector. */
  readonly decisions: number;
  readonly withoutVector: number;
  readonly sampled: number;
  readonly sources: readonly SourceParity[];
  readonly otherLists: readonly OtherList[];
  readonly examples: readonly Difference[];
  /** Nothing that was compared differs. */
  readonly isEqual: boolean;
}

/**
 * Derives the vectors of recent decisions again from bronze, by the back-fill, and compares them with the
 * logged ones, bit by bit. Decisions of another feature list than today's are named, not compared.
 */
export async function compareFeatures(lake: Lake, request: ParityRequest): Promise<ParityReport> {
  const examples: Difference[] = [];
  const table = await openTable(lake, request.decisions);
  const none = { decisions: 0, withoutVector: 0, sampled: 0, sources: [], otherLists: [], examples };
  if (table === undefined) return { ...none, isEqual: true };
  await using session = await lake.duckdb.connect();
  const counts = await sampleDecisions(lake, session, await table.snapshot(), request);
  const sources: SourceParity[] = [];
  const otherLists: OtherList[] = [];
  for (const { topic, list, vectors } of await sampledLists(session)) {
    const source = request.sources.find((one) => one.topic === topic);
    if (source !== undefined && featureListHash(featureListOf(source.set)) === list) {
      sources.push(await compareSource(lake, session, { ...source, list, examples }));
    } else {
      otherLists.push({ topic, list, vectors, changed: await changedIn(lake, list, source?.set) });
    }
  }
  return { ...counts, sources, otherLists, examples, isEqual: sources.every(isEqual) };
}

// === Helpers ===

async function compareSource(
  lake: Lake,
  session: SqlSession,
  { set, topic, list, examples }: ParitySource & { readonly list: string; readonly examples: Difference[] },
): Promise<SourceParity> {
  const table = await openTable(lake, set.source.table);
  if (table === undefined) throw new Error(`there are decisions about ${topic}, but no ${set.source.table}`);
  const { settings } = set;
  const snapshot = await table.snapshot();
  await using history = await openHistory(lake, session, { snapshot, topic, list, settings });
  await using tiles = await openTiles(lake, set);
  const comparison = createComparison(set, examples);
  const wanted = '(_topic_id, _partition, _offset) in (select topic_id, part, o from wanted)';
  const derived = backfillSql(set, history.relation, set.features, { tiles: tiles.relations, wanted });
  const names = set.features.map(({ entry: { name } }) => `derived.${sqlName(name)}`);
  const { chunks } = await session.stream(`
    select wanted.decision_id, wanted.vector, wanted.statuses, derived.status, ${names.join(', ')}
    from wanted left join (${derived}) derived
      on derived._topic_id = wanted.topic_id and derived._partition = wanted.part and derived._offset = wanted.o`);
  let [vectors, unexplained] = [0, 0];
  for await (const chunk of chunks) {
    for (const [decisionId, logged, statuses, derivedStatus, ...values] of chunk) {
      if (derivedStatus === null) {
        unexplained += 1;
        continue;
      }
      vectors += 1;
      comparison.add({
        decisionId: String(decisionId),
        logged: String(logged),
        statuses: String(statuses ?? ''),
        derivedStatus: String(derivedStatus),
        derived: values.map(numberOf),
      });
    }
  }
  const { counts: features, unreadable, statusDiffers } = comparison;
  return {
    source: set.source.name,
    vectors,
    waiting: history.waiting,
    unexplained,
    unreadable,
    statusDiffers,
    features,
  };
}

/** What is not finite comes as text. */
function numberOf(value: SqlJson): number {
  return value === 'NaN' ? Number.NaN : Number(value);
}

function isEqual({ features, unexplained, unreadable, statusDiffers }: SourceParity): boolean {
  const isWhole = unexplained + unreadable + statusDiffers === 0;
  return isWhole && features.every(({ compared, equal }) => compared === equal);
}

/** Names of the features that a kept list has otherwise than today, or not any more, or not yet. */
async function changedIn(
  lake: Lake,
  list: string,
  set: FeatureSet | undefined,
): Promise<readonly string[] | undefined> {
  const kept = await readFeatureList(lake.store, list);
  if (kept === undefined) return undefined;
  const pairs = (features: readonly { name: string; hash: string }[]) =>
    new Map(features.map(({ name, hash }) => [name, hash]));
  const [then, now] = [pairs(kept.features), pairs(set === undefined ? [] : featureListOf(set).features)];
  return [...new Set([...then.keys(), ...now.keys()])].filter((name) => then.get(name) !== now.get(name));
}
