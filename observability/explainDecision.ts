import type { SqlRow } from '../infra/core/duckdb.ts';
import { isFault } from '../infra/core/errorCatalog.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { readFeatureList } from '../scoring/featureLists.ts';
import { openRegistry } from '../scoring/registry.ts';
import { decodeVector, type FeatureList, featureListHash, featureListOf } from '../scoring/vectorCodec.ts';
import { decodeStatuses, type VectorStatus } from '../scoring/vectorStatus.ts';
import type { FeatureSet } from '../transforms/featureSet.ts';
import { type FoundDecision, findDecision, findRecord, type LookupTables } from './decisionLookup.ts';
import { type ModelAnswer, scoreAgain } from './scoreAgain.ts';
import { statusesBehind } from './statusesBehind.ts';

/** A value of the vector as it was seen. */
export interface ExplainedFeature {
  readonly name: string;
  /** NaN: missing. */
  readonly value: number;
  /** Undefined where the definition is not today's. */
  readonly kind: string | undefined;
  /** Of what it stands on, worst first; empty: of the event alone. */
  readonly standsOn: readonly string[];
  /** In units of the margin of the likeliest fraud class against the regular one. */
  readonly contribution: number | undefined;
}

export interface ExplainedVector {
  readonly list: string;
  readonly source: string | undefined;
  /** Undefined where it is not known what the places mean; `problem` says why. */
  readonly features: readonly ExplainedFeature[] | undefined;
  readonly problem: string | undefined;
  /** What the letters are about: `windows`, entities; by number where that is not known. */
  readonly statuses: readonly { readonly about: string; readonly status: VectorStatus }[];
}

/** All there is to say about a decision. What could not be found out is undefined, with the reason beside it. */
export interface Explanation {
  readonly decision: FoundDecision;
  /** The bronze row of the record; undefined: it has not landed yet. */
  readonly record: SqlRow | undefined;
  /** Undefined: it was decided without one. */
  readonly vector: ExplainedVector | undefined;
  /** Undefined: no model was asked, or `modelProblem` says why not. */
  readonly model: ModelAnswer | undefined;
  readonly modelProblem: string | undefined;
}

export interface ExplainDeps {
  readonly lake: Lake;
  readonly tables: LookupTables;
  readonly sets: readonly FeatureSet[];
}

/**
 * Explains a decision from what is kept: its record, the vector as seen, what the named version of the model
 * says about it now. @throws DECISION_ID_INVALID, DECISION_NOT_FOUND
 */
export async function explainDecision(deps: ExplainDeps, id: string): Promise<Explanation> {
  const { lake, tables, sets } = deps;
  const decision = await findDecision(lake, tables, id);
  const record = await findRecord(lake, tables, decision.place);
  const { row } = decision;
  const hash = textOf(row, 'feature_list');
  const logged = textOf(row, 'vector');
  if (hash === undefined || logged === undefined) {
    return { decision, record, vector: undefined, model: undefined, modelProblem: undefined };
  }
  const vector = decodeVector(logged);
  const list = await readList(lake, sets, hash);
  const { model, problem } = await askAgain(lake, { row, vector, list });
  const fit = list?.features.length === vector.length ? list : undefined;
  const set = sets.find((one) => featureListHash(featureListOf(one)) === hash);
  return {
    decision,
    record,
    vector: {
      list: hash,
      source: list?.source,
      features: fit && explainFeatures({ list: fit, vector, set, model }),
      problem: fit === undefined ? listProblem(hash, list, vector) : undefined,
      statuses: statusesOf(textOf(row, 'statuses') ?? '', set),
    },
    model,
    modelProblem: problem,
  };
}

// === Helpers ===

function textOf(row: SqlRow, column: string): string | undefined {
  const value = row[column];
  return typeof value === 'string' ? value : undefined;
}

/** Today's lists are known without the lake. */
async function readList(lake: Lake, sets: readonly FeatureSet[], hash: string) {
  const today = sets.map(featureListOf).find((list) => featureListHash(list) === hash);
  return today ?? (await readFeatureList(lake.store, hash));
}

function listProblem(hash: string, list: FeatureList | undefined, vector: Float32Array): string {
  if (list === undefined)
    return `the list of features ${hash} is not kept: its ${vector.length} values have no names`;
  return `the vector has ${vector.length} values, the list ${hash} has ${list.features.length} features`;
}

async function askAgain(
  lake: Lake,
  asked: {
    readonly row: SqlRow;
    readonly vector: Float32Array;
    readonly list: FeatureList | undefined;
  },
): Promise<{ model: ModelAnswer | undefined; problem: string | undefined }> {
  const version = textOf(asked.row, 'model_version');
  if (version === undefined) return { model: undefined, problem: undefined };
  if (asked.list === undefined)
    return { model: undefined, problem: 'without the list of features it cannot be asked' };
  try {
    const files = await openRegistry(lake).load(version);
    return { model: await scoreAgain(files, asked.list, asked.vector), problem: undefined };
  } catch (error) {
    // Told, not hidden: all else about the decision is still worth reading.
    if (
      isFault(error, 'MODEL_MISSING') ||
      isFault(error, 'MODEL_CORRUPT') ||
      isFault(error, 'MODEL_ONNX_INVALID')
    )
      return { model: undefined, problem: error.message };
    throw error;
  }
}

function explainFeatures(from: {
  readonly list: FeatureList;
  readonly vector: Float32Array;
  readonly set: FeatureSet | undefined;
  readonly model: ModelAnswer | undefined;
}): ExplainedFeature[] {
  const { list, vector, set, model } = from;
  const behind = set && statusesBehind(set);
  return list.features.map(({ name }, index) => ({
    name,
    value: vector[index] as number,
    kind: set?.features[index]?.entry.kind,
    standsOn: (behind?.places[index] ?? []).map((place) => behind?.names[place] ?? ''),
    contribution: model?.contributions.get(name),
  }));
}

function statusesOf(letters: string, set: FeatureSet | undefined): ExplainedVector['statuses'] {
  const names = set === undefined ? [] : statusesBehind(set).names;
  return (decodeStatuses(letters) ?? []).map((status, index) => ({
    about: names[index] ?? (index === 0 ? 'windows' : `entity ${index}`),
    status,
  }));
}
