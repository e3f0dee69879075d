import { createHash } from 'node:crypto';
import { parseDuration } from '../infra/core/config.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import {
  FEATURE_SETTINGS,
  type FeatureEntry,
  type FeatureInput,
  type FeatureSettings,
  type FeatureSource,
  type GoldEntry,
  MAX_WINDOW_MS,
} from './feature.ts';
import { type Expression, namesIn, parseExpression, typeOf } from './featureExpression.ts';
import type { ValueType } from './featureOperations.ts';
import type { SeedTable } from './featureRates.ts';
import { isWhole, type ResolvedSource, resolveSource, seedHashOf } from './featureSource.ts';
import { type GoldEntity, type GoldFeature, KEY } from './goldEntity.ts';

/** What a stream entry reads: entries with an equal selection see the same records. */
export interface Selection {
  readonly windowMs: number;
  readonly where: Expression | undefined;
  readonly match: readonly string[];
}

export interface Feature {
  readonly entry: FeatureEntry;
  /** Of event and derived entries. */
  readonly expression: Expression | undefined;
  /** Whether the expression is true or false; such a value is 1 or 0. */
  readonly isTruth: boolean;
  /** Of stream entries. */
  readonly selection: Selection | undefined;
  /** Of gold entries. */
  readonly gold: GoldFeature | undefined;
  /** Whether it stands on windows: missing when the event is too late. */
  readonly isWindowed: boolean;
  /** Covers all that determines its values: definition, inputs, seeds, versions of contracts, settings. */
  readonly hash: string;
}

/** The features of one source, checked. A row of values: inputs, `time_ms`, `hour`, then features. */
export interface FeatureSet extends ResolvedSource {
  readonly settings: FeatureSettings;
  readonly features: readonly Feature[];
  /** Place in a row of values by name. */
  readonly slots: ReadonlyMap<string, number>;
  /** All entities of the content, the same for every source. */
  readonly gold: readonly GoldEntity[];
}

export interface FeatureParts {
  readonly source: FeatureSource;
  readonly entries: readonly FeatureEntry[];
  readonly seeds?: ReadonlyMap<string, SeedTable>;
  /** Of the source's records; part of every hash. */
  readonly contractVersion: number;
  readonly settings?: FeatureSettings;
  /** Of the content that the entries are from. */
  readonly gold?: readonly GoldEntity[];
}

/** The features of a source out of the one list. Pure. @throws FEATURE_INVALID */
export function buildFeatureSet(parts: FeatureParts): FeatureSet {
  const { source, settings = FEATURE_SETTINGS, seeds = new Map<string, SeedTable>() } = parts;
  const resolved = resolveSource(source, seeds);
  const { inputs } = resolved;
  const draft: Draft = {
    parts,
    settings,
    types: new Map<string, ValueType>([
      ...inputs.map(({ name, type }) => [name, type] as const),
      ...TIME_NAMES.map((name) => [name, 'number'] as const),
    ]),
    made: new Map(),
  };
  for (const { name } of inputs) {
    if (!NAME.test(name) || name === KEY) {
      throw invalid(`${source.name}.${name}`, `an input is named in lower snake case, and not '${KEY}'`);
    }
  }
  for (const entry of parts.entries) {
    if (entry.only?.includes(source.name) === false) continue;
    if (draft.types.has(entry.name)) throw invalid(entry.name, 'the name is there twice');
    const feature = resolve(draft, entry);
    draft.made.set(entry.name, feature);
    draft.types.set(entry.name, feature.isTruth ? 'truth' : 'number');
  }
  const features = [...draft.made.values()];
  const names = [...inputs.map(({ name }) => name), ...TIME_NAMES, ...features.map((f) => f.entry.name)];
  const slots = new Map(names.map((name, index) => [name, index]));
  return { ...resolved, settings, features, slots, gold: parts.gold ?? [] };
}

/** The entities with gold features over all sources; a view of gold values calls them by their index here. Pure. */
export function goldEntitiesOf(sets: readonly FeatureSet[]): readonly GoldEntity[] {
  return sets[0]?.gold ?? [];
}

/** The features of `set` that are named, with those that they stand on. Pure. */
export function withNames(set: FeatureSet, names: readonly string[]): Feature[] {
  const wanted = new Set(names);
  for (const { entry, expression } of set.features.toReversed()) {
    if (!wanted.has(entry.name) || expression === undefined) continue;
    for (const name of namesIn(expression)) wanted.add(name);
  }
  return set.features.filter(({ entry }) => wanted.has(entry.name));
}

// === Helpers ===

interface Draft {
  readonly parts: FeatureParts;
  readonly settings: FeatureSettings;
  /** Names that an expression may use so far. */
  readonly types: Map<string, ValueType>;
  readonly made: Map<string, Feature>;
}

/** Raised when the same definition would give other values than before. */
const FORMAT = 1;
const NAME = /^[a-z][a-z0-9_]*$/;
const TIME_NAMES = ['time_ms', 'hour'] as const;
const NOTHING = {
  expression: undefined,
  isTruth: false,
  selection: undefined,
  gold: undefined,
  isWindowed: false,
} as const;

function resolve(draft: Draft, entry: FeatureEntry): Feature {
  if (!NAME.test(entry.name)) throw invalid(entry.name, 'a feature is named in lower snake case');
  if (entry.kind === 'stream') {
    const selection = selectionOf(draft, entry);
    const { aggregation, of } = entry;
    const { windowMs, where, match } = selection;
    const stands = [
      ...(of === undefined ? [] : [of]),
      ...match,
      ...(where === undefined ? [] : namesIn(where)),
    ];
    const { latenessMs, ringRecords } = draft.settings;
    const definition = { aggregation, of, windowMs, where, match, latenessMs, ringRecords };
    const hash = hashOf(draft, { kind: entry.kind, definition, stands });
    return { ...NOTHING, entry, selection, isWindowed: true, hash };
  }
  if (entry.kind === 'gold') {
    const gold = goldOf(draft, entry);
    return { ...NOTHING, entry, gold, hash: gold.hash };
  }
  const { expression, type } = checked(draft, entry, entry.expression);
  if (type === 'text') throw invalid(entry.name, 'a text is no feature');
  const stands = [...namesIn(expression)];
  if (entry.kind === 'event') {
    const feature = stands.find((name) => draft.made.has(name));
    if (feature !== undefined)
      throw invalid(entry.name, `it stands on the feature '${feature}': make it derived`);
  }
  const isWindowed = stands.some((name) => draft.made.get(name)?.isWindowed === true);
  const hash = hashOf(draft, { kind: entry.kind, definition: { expression, isWindowed }, stands });
  return { ...NOTHING, entry, expression, isTruth: type === 'truth', isWindowed, hash };
}

function goldOf({ parts: { gold = [], source } }: Draft, entry: GoldEntry): GoldFeature {
  const entity = gold.find(({ name }) => name === entry.entity);
  const feature = entity?.features.find((one) => one.entry.name === entry.name);
  if (feature === undefined) throw invalid(entry.name, `there is no entity '${entry.entity}'`);
  if (entity?.feeds.some((feed) => feed.source.name === source.name) === true) return feature;
  throw invalid(entry.name, `${source.name} names no ${entry.entity}: say in 'only' which sources have it`);
}

type StreamEntry = Extract<FeatureEntry, { kind: 'stream' }>;

function selectionOf(draft: Draft, entry: StreamEntry): Selection {
  const { name, window, match = [] } = entry;
  const windowMs = parseDuration(window);
  if (windowMs === undefined || windowMs > MAX_WINDOW_MS || windowMs < 1) {
    throw invalid(name, `the window '${window}' is none of at most 24h`);
  }
  checkAggregation(draft, entry);
  for (const column of match) inputOf(draft, name, column);
  if (entry.where === undefined) return { windowMs, where: undefined, match };
  const { expression, type } = checked(draft, entry, entry.where);
  if (type !== 'truth') throw invalid(name, `'where' is neither true nor false: ${entry.where}`);
  const feature = [...namesIn(expression)].find((one) => draft.made.has(one));
  if (feature !== undefined)
    throw invalid(name, `'where' is about records, not about the feature '${feature}'`);
  return { windowMs, where: expression, match };
}

function checkAggregation(draft: Draft, { name, aggregation, of }: StreamEntry): void {
  if ((of === undefined) !== (aggregation === 'count' || aggregation === 'seconds_since')) {
    throw invalid(name, `${aggregation} ${of === undefined ? 'needs' : 'has no'} 'of'`);
  }
  const input = of === undefined ? undefined : inputOf(draft, name, of);
  if (['sum', 'mean', 'sd'].includes(aggregation) && input !== undefined && !isWhole(input)) {
    throw invalid(name, `${aggregation} of '${of}' is not exact: make the input whole`);
  }
  if (['min', 'max'].includes(aggregation) && input?.kind === 'text') {
    throw invalid(name, `${aggregation} of '${of}', which is text`);
  }
}

function inputOf(draft: Draft, feature: string, name: string): FeatureInput {
  const { inputs } = draft.parts.source;
  const input = inputs[name];
  if (input !== undefined) return input;
  throw invalid(feature, `there is no input '${name}', only ${Object.keys(inputs).join(', ')}`);
}

function checked(
  draft: Draft,
  entry: FeatureEntry,
  text: string,
): { expression: Expression; type: ValueType } {
  try {
    const expression = parseExpression(text);
    return { expression, type: typeOf(expression, draft.types) };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw invalid(entry.name, `${problem}: ${text}`, error);
  }
}

function hashOf(
  { parts, made }: Draft,
  feature: { readonly kind: string; readonly definition: unknown; readonly stands: readonly string[] },
): string {
  const { source, contractVersion, seeds = new Map<string, SeedTable>() } = parts;
  const stands = [...new Set(feature.stands)].toSorted().map((name) => {
    const input = source.inputs[name];
    return [name, input, seedHashOf(input, seeds), made.get(name)?.hash];
  });
  const { table, eventTime } = source;
  const all = { format: FORMAT, table, eventTime, contractVersion, ...feature, stands };
  return createHash('sha256').update(JSON.stringify(all)).digest('hex').slice(0, 16);
}

function invalid(feature: string, problem: string, cause?: unknown): Error {
  return fault('FEATURE_INVALID', { feature, problem }, cause);
}
