import { createHash } from 'node:crypto';
import { parseDuration } from '../infra/core/config.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import { type DeltaField, type DeltaType, field } from '../lakehouse/schema.ts';
import {
  type FeatureContent,
  type FeatureEntity,
  type FeatureLabels,
  type FeatureSettings,
  type GoldAggregation,
  type GoldEntry,
  MAX_GOLD_WINDOW_MS,
} from './feature.ts';
import type { SeedTable } from './featureRates.ts';
import { isWhole, type ResolvedSource, resolveSource, seedHashOf } from './featureSource.ts';

/** An entity with its gold features over all sources: what its tiles and its mart hold. */
export interface GoldEntity {
  readonly name: string;
  /** In the order of the mart's columns, which is that of the list. */
  readonly features: readonly GoldFeature[];
  /** The text input that names it; undefined: the record's key. */
  readonly idInput: string | undefined;
  /** The sources that can name it: their good rows are in its tiles. */
  readonly feeds: readonly ResolvedSource[];
  /** Of entities that count labels. */
  readonly labels: FeatureLabels | undefined;
  readonly partials: readonly GoldPartial[];
  readonly settings: FeatureSettings;
  /** `gold.<entity>_tiles`: entity_id, hour, visible_from, then partials. */
  readonly tilesTable: string;
  readonly tileFields: readonly DeltaField[];
  /** Covers all that determines tiles: another hash, other tiles. */
  readonly tilesHash: string;
  /** `gold.<entity>_features`: entity_id, as_of, tiles, then features. */
  readonly martTable: string;
  readonly martFields: readonly DeltaField[];
  /** Covers tiles and features. */
  readonly martHash: string;
}

export interface GoldFeature {
  readonly entry: GoldEntry;
  readonly windowMs: number;
  /** Column of the mart: a DOUBLE. Of ages it is a time in ms, from which the age follows at the event. */
  readonly column: string;
  readonly isAge: boolean;
  /** The value where its windows are empty: 0 of counts and sums, else NaN. */
  readonly nothing: number;
  readonly hash: string;
}

/** A column of tiles that merges with itself. */
export interface GoldPartial {
  readonly column: string;
  readonly kind: PartialKind;
  /** The input, `key`, or the count of labels; of `n` without one: rows. */
  readonly of: string | undefined;
  readonly type: DeltaType;
}

export type PartialKind = 'n' | 'sum' | 'squares' | 'min' | 'max' | 'first' | 'last' | 'distinct' | 'labels';

/** What stands for the record's key in `of`. */
export const KEY = 'key';

/** Metadata of a mart's column: the hash of the feature that its values are of. */
export const FEATURE_HASH = 'tidemark.feature';

/** How many of the lowest hashes a distinct count keeps. */
export const DISTINCT_HASHES = 64;

export interface GoldParts {
  readonly content: FeatureContent;
  readonly seeds?: ReadonlyMap<string, SeedTable>;
  /** By bronze table; part of every hash. */
  readonly contractVersions: ReadonlyMap<string, number>;
  readonly settings: FeatureSettings;
}

/** The entities that have gold features, in the content's order: a view of values calls them by this index. Pure. @throws FEATURE_INVALID */
export function resolveGold(parts: GoldParts): GoldEntity[] {
  const { entries, entities = [] } = parts.content;
  const golds = entries.filter((entry) => entry.kind === 'gold');
  const names = entities.map(({ name }) => name);
  for (const { name, entity } of golds) {
    if (!names.includes(entity))
      throw invalid(name, `there is no entity '${entity}', only ${names.join(', ')}`);
  }
  return entities.flatMap((entity) => {
    const own = golds.filter((entry) => entry.entity === entity.name);
    return own.length === 0 ? [] : [resolveEntity(parts, entity, own)];
  });
}

/** The columns of tiles that a feature merges, without those of others. Pure. */
export function partialsOf({ aggregation, of }: Pick<GoldEntry, 'aggregation' | 'of'>): GoldPartial[] {
  return PARTIALS[aggregation].map((kind) => partialOf(kind, of));
}

// === Helpers ===

const FORMAT = 1;
const HOUR_FIELDS: readonly DeltaField[] = [
  described('entity_id', 'string', 'whom it is about'),
  described(
    'hour',
    'timestamp',
    'start of the hour (of the length of the grid) of event time; of labels: of when they became known',
  ),
  described('visible_from', 'timestamp', 'the grid point from which on it counts'),
];

const POINT_FIELDS: readonly DeltaField[] = [
  described('entity_id', 'string', 'whom it is about'),
  described(
    'as_of',
    'timestamp',
    'the grid point at which the values are these; they hold until the next row',
  ),
  described('tiles', 'long', 'tiles in its longest window; 0: nothing is known of it'),
];

const PARTIALS: Record<GoldAggregation, readonly PartialKind[]> = {
  count: ['n'],
  sum: ['sum'],
  mean: ['n', 'sum'],
  sd: ['n', 'sum', 'squares'],
  min: ['min'],
  max: ['max'],
  distinct: ['distinct'],
  seconds_since: ['last'],
  seconds_since_first: ['first'],
  labels: ['labels'],
};

const ROWS: GoldPartial = { column: 'n', kind: 'n', of: undefined, type: 'long' };

function partialOf(kind: PartialKind, of: string | undefined): GoldPartial {
  if (kind === 'first' || kind === 'last') return { column: `${kind}_ms`, kind, of: undefined, type: 'long' };
  if (of === undefined) return ROWS;
  return { column: `${of}_${kind}`, kind, of, type: TYPES[kind] };
}

const TYPES: Record<Exclude<PartialKind, 'first' | 'last'>, DeltaType> = {
  n: 'long',
  sum: 'decimal(38,0)',
  squares: 'decimal(38,0)',
  min: 'double',
  max: 'double',
  distinct: { type: 'array', elementType: 'long', containsNull: false },
  labels: 'long',
};

const COMMENTS: Record<PartialKind, string> = {
  n: 'how many there are of',
  sum: 'sum of',
  squares: 'sum of squares of',
  min: 'smallest',
  max: 'largest',
  first: 'time of the first, ms since 1970 UTC',
  last: 'time of the last, ms since 1970 UTC',
  distinct: `hashes of the distinct values, the ${DISTINCT_HASHES} lowest ones, of`,
  labels: 'events that became known (a correction takes one off) as',
};

function resolveEntity(parts: GoldParts, entity: FeatureEntity, entries: readonly GoldEntry[]): GoldEntity {
  const feeds = feedsOf(parts, entity);
  for (const entry of entries) check(parts, feeds, entry);
  const partials = [
    ...new Map([ROWS, ...entries.flatMap(partialsOf)].map((one) => [one.column, one])).values(),
  ];
  const labels = entries.some(({ aggregation }) => aggregation === 'labels')
    ? parts.content.labels
    : undefined;
  const features = entries.map((entry) => featureOf(parts, { entity, feeds }, entry));
  const stands = partials.flatMap(({ of }) => of ?? []);
  const tilesHash = hashOf({ partials, ...standsOn(parts, feeds, { id: entity.input, stands, labels }) });
  const martHash = hashOf([tilesHash, FEATURE_HASH, features.map(({ column, hash }) => [column, hash])]);
  return {
    name: entity.name,
    features,
    idInput: entity.input,
    feeds,
    labels,
    partials,
    settings: parts.settings,
    tilesTable: `gold.${entity.name}_tiles`,
    tileFields: [...HOUR_FIELDS, ...partials.map(partialField)],
    tilesHash,
    martTable: `gold.${entity.name}_features`,
    martFields: [...POINT_FIELDS, ...features.map(featureField)],
    martHash,
  };
}

function partialField({ column, type, kind, of = 'rows' }: GoldPartial): DeltaField {
  const isTime = kind === 'first' || kind === 'last';
  return described(column, type, isTime ? COMMENTS[kind] : `${COMMENTS[kind]} ${of}`);
}

function featureField({ column, entry: { description }, isAge, hash }: GoldFeature): DeltaField {
  const comment = `${isAge ? 'time in ms since 1970 UTC behind: ' : ''}${description}`;
  const named = described(column, 'double', comment);
  return { ...named, metadata: { ...named.metadata, [FEATURE_HASH]: hash } };
}

/** Sources that can name the entity. */
function feedsOf(
  { content, seeds = new Map() }: GoldParts,
  { name, input }: FeatureEntity,
): ResolvedSource[] {
  const feeding = content.sources.filter(({ inputs }) => input === undefined || inputs[input] !== undefined);
  for (const source of feeding) {
    if (input !== undefined && source.inputs[input]?.kind !== 'text')
      throw invalid(`(entity ${name})`, `'${input}' of ${source.name} is no text`);
  }
  return feeding.map((source) => resolveSource(source, seeds));
}

function featureOf(
  parts: GoldParts,
  { entity, feeds }: { readonly entity: FeatureEntity; readonly feeds: readonly ResolvedSource[] },
  entry: GoldEntry,
): GoldFeature {
  const { name, aggregation, of, window } = entry;
  const windowMs = parseDuration(window) ?? 0;
  const isAge = aggregation === 'seconds_since' || aggregation === 'seconds_since_first';
  const nothing = ['count', 'sum', 'distinct', 'labels'].includes(aggregation) ? 0 : Number.NaN;
  const labels = aggregation === 'labels' ? parts.content.labels : undefined;
  const { gridMs, graceMs } = parts.settings;
  const definition = { aggregation, of, windowMs, gridMs, graceMs };
  const stands = of === undefined ? [] : [of];
  const hash = hashOf({
    kind: entry.kind,
    definition,
    ...standsOn(parts, feeds, { id: entity.input, stands, labels }),
  });
  return { entry, windowMs, column: isAge ? `${name}_from_ms` : name, isAge, nothing, hash };
}

/** Everything in content and contracts that values of these inputs and labels follow from. */
function standsOn(
  { seeds = new Map(), contractVersions, settings }: GoldParts,
  feeds: readonly ResolvedSource[],
  {
    id,
    stands,
    labels,
  }: {
    readonly id: string | undefined;
    readonly stands: readonly string[];
    readonly labels: FeatureLabels | undefined;
  },
) {
  return {
    format: FORMAT,
    gridMs: settings.gridMs,
    feeds: feeds.map(({ source: { table, eventTime, eventId, inputs } }) => ({
      table,
      eventTime,
      eventId: labels === undefined ? undefined : eventId,
      version: contractVersions.get(table),
      id: id === undefined ? KEY : inputs[id],
      inputs: stands.map((name) => [name, inputs[name], seedHashOf(inputs[name], seeds)]),
    })),
    labels: labels && [labels, contractVersions.get(labels.table)],
  };
}

function check({ content, settings }: GoldParts, feeds: readonly ResolvedSource[], entry: GoldEntry): void {
  const { name, aggregation, of, window } = entry;
  const windowMs = parseDuration(window);
  const { gridMs } = settings;
  if (
    windowMs === undefined ||
    windowMs > MAX_GOLD_WINDOW_MS ||
    windowMs < gridMs ||
    windowMs % gridMs !== 0
  ) {
    throw invalid(name, `the window '${window}' is none of at most 90d, in whole hours of the grid`);
  }
  const needsNone = ['count', 'seconds_since', 'seconds_since_first'].includes(aggregation);
  if ((of === undefined) !== needsNone) {
    throw invalid(name, `${aggregation} ${of === undefined ? 'needs' : 'has no'} 'of'`);
  }
  if (aggregation === 'labels') checkLabels(content, feeds, entry);
  else if (of !== undefined) checkInput(feeds, entry, of);
}

function checkLabels(
  { labels }: FeatureContent,
  feeds: readonly ResolvedSource[],
  { name, of = '' }: GoldEntry,
): void {
  const counts = Object.keys(labels?.counts ?? {});
  if (!counts.includes(of))
    throw invalid(name, `there is no count of labels '${of}', only ${counts.join(', ')}`);
  const nameless = feeds.find(({ source }) => source.eventId === undefined);
  if (nameless !== undefined) throw invalid(name, `events of ${nameless.source.name} have no id`);
}

function checkInput(feeds: readonly ResolvedSource[], { name, aggregation }: GoldEntry, of: string): void {
  const found = feeds.flatMap(({ inputs }) => inputs.filter((one) => one.name === of));
  if (of === KEY && aggregation === 'distinct') return;
  if (found.length === 0) throw invalid(name, `there is no input '${of}'`);
  if (['sum', 'mean', 'sd'].includes(aggregation) && !found.every(({ input }) => isWhole(input))) {
    throw invalid(name, `${aggregation} of '${of}' is not exact: make the input whole`);
  }
  if (aggregation !== 'distinct' && found.some(({ type }) => type === 'text')) {
    throw invalid(name, `${aggregation} of '${of}', which is text`);
  }
  if (aggregation === 'distinct' && found.some(({ type }) => type !== 'text')) {
    throw invalid(name, `distinct of '${of}', which is no text`);
  }
}

function described(name: string, type: DeltaType, comment: string): DeltaField {
  return { ...field(name, type), metadata: { comment } };
}

function hashOf(facts: unknown): string {
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}

function invalid(feature: string, problem: string): Error {
  return fault('FEATURE_INVALID', { feature, problem });
}
