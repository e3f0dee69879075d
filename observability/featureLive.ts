import type { Lake } from '../lakehouse/lake.ts';
import { openTable } from '../lakehouse/table.ts';
import { decodeVector, featureListHash, featureListOf } from '../scoring/vectorCodec.ts';
import { decodeStatuses, type VectorStatus } from '../scoring/vectorStatus.ts';
import type { ParitySource } from './featureParity.ts';
import { sampleDecisions } from './paritySample.ts';
import { statusesBehind } from './statusesBehind.ts';

/** How a feature of one source is on live traffic: in the newest decisions that have it. */
export interface FeatureLive {
  readonly source: string;
  readonly vectors: number;
  /** Vectors in which it is NaN. */
  readonly missing: number;
  /** How many vectors by the worst status of what the feature stands on. */
  readonly statuses: Readonly<Partial<Record<VectorStatus, number>>>;
}

/**
 * By feature, how it was in the newest decisions, one entry a source. Vectors of other feature lists than
 * today's are left out. Empty while nothing was decided.
 */
export async function liveFeatures(
  lake: Lake,
  request: { readonly decisions: string; readonly last: number; readonly sources: readonly ParitySource[] },
): Promise<ReadonlyMap<string, readonly FeatureLive[]>> {
  const table = await openTable(lake, request.decisions);
  if (table === undefined) return new Map();
  await using session = await lake.duckdb.connect();
  await sampleDecisions(lake, session, await table.snapshot(), { last: request.last, oneKeyIn: 1 });
  const tallies = new Map(request.sources.map((source) => tallyOf(source)));
  const { chunks } = await session.stream('select topic, feature_list, vector, statuses from sampled');
  for await (const chunk of chunks) {
    for (const [topic, list, vector, statuses] of chunk) {
      tallies.get(`${topic} ${list}`)?.add(String(vector), String(statuses ?? ''));
    }
  }
  const found = [...tallies.values()]
    .flatMap(({ live }) => [...live])
    .filter(([, { vectors }]) => vectors > 0);
  const byName = Map.groupBy(found, ([name]) => name);
  return new Map([...byName].map(([name, lives]) => [name, lives.map(([, live]) => live)]));
}

// === Helpers ===

interface Counted extends FeatureLive {
  vectors: number;
  missing: number;
  readonly statuses: Partial<Record<VectorStatus, number>>;
}

interface Tally {
  add(vector: string, letters: string): void;
  readonly live: ReadonlyMap<string, Counted>;
}

/** What cannot be read is not counted: parity names it. */
function tallyOf({ set, topic }: ParitySource): [key: string, tally: Tally] {
  const { names, places } = statusesBehind(set);
  const counted = set.features.map((): Counted => {
    return { source: set.source.name, vectors: 0, missing: 0, statuses: {} };
  });
  const add = (text: string, letters: string): void => {
    const vector = decodeVector(text);
    const statuses = decodeStatuses(letters);
    if (vector.length !== counted.length || statuses?.length !== names.length) return;
    for (const [index, one] of counted.entries()) {
      one.vectors += 1;
      if (Number.isNaN(vector[index])) one.missing += 1;
      const status = worstOf((places[index] ?? []).flatMap((place) => statuses[place] ?? []));
      one.statuses[status] = (one.statuses[status] ?? 0) + 1;
    }
  };
  const live = new Map(set.features.map(({ entry: { name } }, index) => [name, counted[index] as Counted]));
  return [`${topic} ${featureListHash(featureListOf(set))}`, { add, live }];
}

const WORST_FIRST: readonly VectorStatus[] = [
  'GOLD_MISSING',
  'NOT_HELD',
  'OUTSIDE_MAX_AGE',
  'TOO_LATE',
  'STALE',
  'NOT_FOUND',
];

function worstOf(statuses: readonly VectorStatus[]): VectorStatus {
  return WORST_FIRST.find((status) => statuses.includes(status)) ?? 'PRESENT';
}
