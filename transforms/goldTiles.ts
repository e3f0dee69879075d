import { sqlName, sqlText } from '../infra/core/duckdb.ts';
import { exchangedColumns, inputColumns } from './featureInputSql.ts';
import type { ResolvedSource } from './featureSource.ts';
import { DISTINCT_HASHES, type GoldEntity, type GoldPartial, KEY } from './goldEntity.ts';
import { entityIdSql, type LabelHistory, labelTilesSql } from './goldLabels.ts';

/**
 * What tiles are made of. A relation has all columns of its bronze table, good and bad rows, and
 * `visible_from_ms BIGINT`: the grid point from which on a row counts. The caller leaves out rows that are
 * visible nowhere yet.
 */
export interface TileInputs {
  /** By bronze table of each feed: the rows that became visible in (fromMs, toMs], each exactly once over all calls. */
  readonly rows: Readonly<Record<string, string>>;
  /** Only of entities with labels. */
  readonly history?: LabelHistory;
}

/**
 * New tiles of an entity: one row for each (entity_id, hour, visible_from), in the columns of
 * `entity.tileFields`. Rows of calls over consecutive stretches (fromMs, toMs] are together those of one call
 * over all of them: none is ever rewritten, for a row's tile is made by the call that sees the row.
 *
 * A label counts in the hour of known_at = the later of `availableAt` and arrival, from
 * the later of its own visible_from and its event's on. The event is the good row of that id that was visible
 * first. When the event's label changes, the same grid point takes the old one off its own hour (−1).
 *
 * Pure; no I/O.
 */
export function tilesSql(entity: GoldEntity, inputs: TileInputs): string {
  const facts = entity.feeds.map((feed) => factsSql(entity, feed, relationOf(inputs.rows, feed)));
  const { history } = inputs;
  const labels = entity.labels !== undefined;
  if (labels && history === undefined)
    throw new Error(`tiles of ${entity.name} count labels: no history is given`);
  const labelTiles = labels && history !== undefined ? labelTilesSql(entity, history) : [];
  const parts = ['counted', ...(labels ? ['label_tiles'] : [])];
  const own = entity.partials.filter(({ kind }) => kind !== 'labels');
  const steps = [
    `facts as (\n${facts.join('\n  union all by name\n')}\n)`,
    `counted as (\n${countedSql(entity, own)}\n)`,
    ...labelTiles,
  ];
  const columns = entity.partials.map((partial) => `${mergedOnce(partial)} as ${sqlName(partial.column)}`);
  return `with ${steps.join(',\n')}
select
  entity_id,
  make_timestamptz(hour_ms * 1000) as hour,
  make_timestamptz(visible_from_ms * 1000) as visible_from,
  ${columns.join(',\n  ')}
from (${parts.map((name) => `select * from ${name}`).join(' union all by name ')})
group by entity_id, hour_ms, visible_from_ms`;
}

// === Helpers ===

function relationOf(relations: Readonly<Record<string, string>>, { source }: ResolvedSource): string {
  const relation = relations[source.table];
  if (relation === undefined) throw new Error(`no rows of ${source.table}`);
  return relation;
}

/** Good rows of a feed in common columns; an input that the feed lacks is absent, hence null. */
function factsSql(entity: GoldEntity, feed: ResolvedSource, relation: string): string {
  const used = new Set(entity.partials.filter(({ kind }) => kind !== 'labels').flatMap(({ of }) => of ?? []));
  const own = { ...feed, inputs: feed.inputs.filter(({ name }) => used.has(name)) };
  const { drop, make } = exchangedColumns(own);
  const columns = [
    `${entityIdSql(entity, feed)} as entity_id`,
    `epoch_ms(${sqlName(feed.source.eventTime)}) as time_ms`,
    'visible_from_ms',
    ...(used.has(KEY) ? [`_key as ${sqlName(KEY)}`] : []),
    ...inputColumns(own),
  ];
  const star = `*${drop.length > 0 ? ` exclude (${drop.join(', ')})` : ''}`;
  return `  select ${[star, ...make].join(', ')} from (
    select ${columns.join(', ')} from ${relation} where _error is null
  ) where entity_id is not null`;
}

function countedSql({ settings: { gridMs } }: GoldEntity, partials: readonly GoldPartial[]): string {
  const columns = partials.map((partial) => `${countedOnce(partial)} as ${sqlName(partial.column)}`);
  return `  select
    entity_id, time_ms // ${gridMs} * ${gridMs} as hour_ms, visible_from_ms,
    ${columns.join(',\n    ')}
  from facts
  group by all`;
}

function countedOnce({ kind, of }: GoldPartial): string {
  const c = of === undefined ? '' : sqlName(of);
  switch (kind) {
    case 'n':
      return of === undefined ? 'count(*)' : `count(${c})`;
    case 'sum':
      return `cast(coalesce(sum(${c}), 0) as decimal(38, 0))`;
    case 'squares':
      return `cast(coalesce(sum(cast(${c} as hugeint) * ${c}), 0) as decimal(38, 0))`;
    case 'min':
    case 'max':
      return `${kind}(cast(${c} as double))`;
    case 'first':
      return 'min(time_ms)';
    case 'last':
      return 'max(time_ms)';
    case 'distinct':
      return `coalesce(min(distinct ${textHashSql(c)}, ${DISTINCT_HASHES}), [])`;
    case 'labels':
      throw new Error(`${sqlText(of ?? '')} is counted from labels`);
  }
}

/** Each key has at most one row of events and one of labels. */
function mergedOnce({ column, kind }: GoldPartial): string {
  const value = `any_value(${sqlName(column)})`;
  switch (kind) {
    case 'n':
    case 'labels':
      return `coalesce(${value}, 0)`;
    case 'sum':
    case 'squares':
      return `coalesce(${value}, cast(0 as decimal(38, 0)))`;
    case 'distinct':
      return `coalesce(${value}, [])`;
    default:
      return value;
  }
}

/** 63 bits that stand for a text. */
function textHashSql(text: string): string {
  return `cast(md5_number_lower(${text}) >> 1 as bigint)`;
}
