import { sqlName } from '../infra/core/duckdb.ts';
import { deviationSql, signedWideSql } from './featureAggregateSql.ts';
import {
  DISTINCT_HASHES,
  type GoldEntity,
  type GoldFeature,
  type GoldPartial,
  type PartialKind,
  partialsOf,
} from './goldEntity.ts';

/** Which rows of a mart are wanted; grid points in ms. */
export type MartPoints =
  /**
   * At `toMs` alone, the base: every entity with a tile in its longest window there. `sinceMs`, an earlier
   * point that a reader may have rows of: also those that had one there and are empty now.
   */
  | { readonly at: 'last'; readonly toMs: number; readonly sinceMs?: number }
  /**
   * At every point in (fromMs, toMs]: only entities of which a tile came in or fell out of a window there.
   * One that falls empty has a row of empty aggregates with `tiles` 0.
   */
  | { readonly at: 'each'; readonly fromMs: number; readonly toMs: number };

/**
 * Rows of an entity's mart in the columns of `entity.martFields`, from a relation of its tiles: all that are visible at
 * `toMs`; more do no harm, nor do those that no window reaches. `each` takes memory for every row that it gives: a day or so at a time. The newest row at or before a point has the values at that point. Pure; no I/O.
 */
export function martSql(entity: GoldEntity, tiles: string, points: MartPoints): string {
  const steps = [`tiles as (\n${tilesFrom(tiles)}\n)`];
  if (points.at === 'each') steps.push(`points as (\n${changedPointsSql(entity, points)}\n)`);
  const reached = points.at === 'last' ? baseFrom(entity, points) : joinedFrom(entity);
  const columns = entity.features.map(({ column }) => sqlName(column));
  return `with ${steps.join(',\n')}
select
  entity_id,
  make_timestamptz(as_of_ms * 1000) as as_of,
  ${['tiles', ...columns].join(',\n  ')}
from (
${valuesSql(entity, entity.features, reached)}
)`;
}

/**
 * A query that gives, for each distinct (entity_id, as_of_ms BIGINT) of `points`, the values that a mart that is complete has
 * there: the columns of `features`. Pure; no I/O.
 */
export function goldAtSql(
  entity: GoldEntity,
  features: readonly GoldFeature[],
  from: { readonly points: string; readonly tiles: string },
): string {
  return `with points as (select distinct entity_id, as_of_ms from ${from.points} where entity_id is not null),
tiles as (
${tilesFrom(from.tiles)}
)
${valuesSql(entity, features, joinedFrom(entity, features))}`;
}

// === Helpers ===

function tilesFrom(relation: string): string {
  return `  select * replace (epoch_ms(hour) as hour, epoch_ms(visible_from) as visible_from) from ${relation}`;
}

function longestMs(features: readonly GoldFeature[]): number {
  return Math.max(...features.map(({ windowMs }) => windowMs));
}

/** Rows of (tile, as_of_ms); a tile with hour null stands for none. */
function baseFrom(
  { features }: GoldEntity,
  { toMs, sinceMs = toMs }: Extract<MartPoints, { at: 'last' }>,
): string {
  return `select *, ${toMs}::bigint as as_of_ms from tiles
    where visible_from <= ${toMs} and hour < ${toMs} and hour >= ${Math.min(sinceMs, toMs) - longestMs(features)}`;
}

function joinedFrom({ features: all }: GoldEntity, features: readonly GoldFeature[] = all): string {
  return `select t.* exclude (entity_id), p.entity_id, p.as_of_ms from points as p left join tiles as t
    on t.entity_id = p.entity_id and t.visible_from <= p.as_of_ms
    and t.hour < p.as_of_ms and t.hour >= p.as_of_ms - ${longestMs(features)}`;
}

/**
 * A tile is in a window of w at the points (hour, hour + w] from visible_from on: it comes in at the first
 * of them, and falls out one step behind the last, unless it became visible too late to be in at all.
 */
function changedPointsSql(
  { features, settings: { gridMs } }: GoldEntity,
  { fromMs, toMs }: Extract<MartPoints, { at: 'each' }>,
): string {
  const windows = [...new Set(features.map(({ windowMs }) => windowMs))];
  const between = `as_of_ms > ${fromMs} and as_of_ms <= ${toMs}`;
  return `  select distinct entity_id, as_of_ms from (
    select entity_id, unnest([
      greatest(visible_from, hour + ${gridMs}),
      ${windows.map((windowMs) => `hour + ${windowMs + gridMs}`).join(', ')}
    ]) as as_of_ms
    from tiles
    where visible_from <= ${toMs} and hour < ${toMs} and hour >= ${fromMs - longestMs(features) - gridMs}
  ) where ${between}`;
}

/** From rows of (tile, as_of_ms) the values of features by entity and point. */
function valuesSql(entity: GoldEntity, features: readonly GoldFeature[], from: string): string {
  const merged = new Map<string, string>();
  for (const { entry, windowMs } of features) {
    for (const partial of partialsOf(entry)) {
      const filter = `filter (where hour >= as_of_ms - ${windowMs})`;
      merged.set(mergedName(partial, windowMs), `${mergeSql(partial)} ${filter}`);
    }
  }
  const columns = [...merged].map(([name, sql]) => `${sql} as ${name}`);
  const values = features.map((feature) => `${valueSql(feature)} as ${sqlName(feature.column)}`);
  const tiles = `count(*) filter (where hour >= as_of_ms - ${longestMs(entity.features)}) as tiles`;
  return `  select entity_id, as_of_ms, ${['tiles', ...values].join(',\n    ')}
  from (
    select ${['entity_id', 'as_of_ms', tiles, ...columns].join(',\n      ')}
    from (${from})
    group by entity_id, as_of_ms
  )`;
}

/** A column of merged partials; spaces keep it apart from those of tiles. */
function mergedName({ column }: GoldPartial, windowMs: number): string {
  return sqlName(`${column} in ${windowMs}`);
}

function mergeSql({ column, kind }: GoldPartial): string {
  const c = sqlName(column);
  switch (kind) {
    case 'n':
    case 'labels':
      return `sum(${c})`;
    case 'sum':
    case 'squares':
      return `sum(${c})`;
    case 'min':
    case 'first':
      return `min(${c})`;
    case 'max':
    case 'last':
      return `max(${c})`;
    case 'distinct':
      return `list(${c})`;
  }
}

/** Values are doubles by the same steps wherever they are made; null is missing. */
function valueSql({ entry, windowMs }: GoldFeature): string {
  const partials = partialsOf(entry);
  const part = (kind: PartialKind): string => {
    const partial = partials.find((one) => one.kind === kind);
    if (partial === undefined) throw new Error(`${entry.name} has no ${kind}`);
    return mergedName(partial, windowMs);
  };
  const whole = (kind: PartialKind) => `cast(coalesce(${part(kind)}, 0) as hugeint)`;
  switch (entry.aggregation) {
    case 'count':
      return `cast(coalesce(${part('n')}, 0) as double)`;
    case 'labels':
      return `cast(coalesce(${part('labels')}, 0) as double)`;
    case 'sum':
      return signedWideSql(whole('sum'));
    case 'mean':
      return `(${signedWideSql(whole('sum'))}) / nullif(cast(${part('n')} as double), 0)`;
    case 'sd':
      return `case when ${FITTING(part('n'), part('squares'))} then ${deviationSql(whole('n'), whole('sum'), whole('squares'))} end`;
    case 'min':
    case 'max':
      return part(entry.aggregation);
    case 'seconds_since':
      return `cast(${part('last')} as double)`;
    case 'seconds_since_first':
      return `cast(${part('first')} as double)`;
    case 'distinct':
      return distinctSql(part('distinct'));
  }
}

/** n · Σx² has to fit a HUGEINT: beyond, a deviation is missing, and no record can stop the others. */
const FITTING = (n: string, squares: string): string =>
  `cast(${n} as double) * cast(${squares} as double) < 1e38`;

/** Exact below 64; from there on (64 − 1) · 2^63 over the largest of the lowest 64 hashes, rounded half up. */
function distinctSql(lists: string): string {
  const lowest = `list_sort(list_distinct(flatten(coalesce(${lists}, []))))`;
  const estimate = `floor(${DISTINCT_HASHES - 1}e0 * 9223372036854775808e0 / cast(found[${DISTINCT_HASHES}] as double) + 0.5e0)`;
  return `list_transform([${lowest}], lambda found: case when len(found) < ${DISTINCT_HASHES} then cast(len(found) as double) else ${estimate} end)[1]`;
}
