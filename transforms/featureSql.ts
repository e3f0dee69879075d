import { sqlName } from '../infra/core/duckdb.ts';
import type { Aggregation } from './feature.ts';
import { deviationSql } from './featureAggregateSql.ts';
import { type Expression, namesIn, operationOf } from './featureExpression.ts';
import { exchangedColumns, inputColumns } from './featureInputSql.ts';
import { MAX_FLOAT32, sqlDouble } from './featureOperations.ts';
import type { Feature, FeatureSet } from './featureSet.ts';
import type { GoldEntity } from './goldEntity.ts';
import { goldAtSql } from './goldMarts.ts';

export interface BackfillOptions {
  /**
   * By entity the relation of its tiles; where none is given, the table of that name. Rows may be too many:
   * only those that were visible at an event's grid point count.
   */
  readonly tiles?: Readonly<Record<string, string>>;
  /**
   * Only rows for which this predicate is true, over `_topic, _topic_id, _partition, _offset, _key, time_ms`
   * and `arrived_at_ms`. Windows still see all rows of `relation`.
   */
  readonly wanted?: string;
}

/**
 * The back-fill: for every good row of `relation` (the source's bronze table, all columns), or for those that
 * are wanted, the vector that the stream gives it. Columns: the place, `event_time_ms`, `status`, and a FLOAT per feature, NaN where
 * missing. Rows of a file that landed after the topic's first live record are in no window, and left out.
 *
 *   good     inputs of every good row
 *   feeding  incarnations of each topic in their order: files, then topics by their first arrival
 *   placed   the place of each row on time among those of its key
 *   chosen   the wanted ones, with the grid point that serves them
 *   windows  aggregates by event. An event meets the records that a window can hold, of its ring by place
 *            and of the longest window by time: both are cut into stretches, so that the join is by
 *            equality and no event meets more than two rings
 *   gold …   values of an entity at the grid points of the chosen rows
 *   valued   features in doubles, those on windows missing when the event is late; then one rounding
 *
 * Pure; no I/O.
 */
export function backfillSql(
  whole: FeatureSet,
  relation: string,
  features: readonly Feature[] = whole.features,
  { tiles = {}, wanted }: BackfillOptions = {},
): string {
  const entities = whole.gold.filter(({ name }) => features.some(({ gold }) => gold?.entry.entity === name));
  const used = new Set([...features.flatMap(namesUsed), ...entities.flatMap(({ idInput }) => idInput ?? [])]);
  const set = { ...whole, inputs: whole.inputs.filter(({ name }) => used.has(name)) };
  const streams = features.filter(({ selection }) => selection !== undefined);
  const steps = [
    step('good', goodSql(set, relation)),
    step('feeding', feedingSql(relation)),
    step('placed', placedSql(set), 'materialized '),
    step('chosen', chosenSql(set, entities, wanted), wanted === undefined ? '' : 'materialized '),
    ...(streams.length > 0 ? [step('windows', windowsSql(set, streams))] : []),
    ...entities.map((entity) =>
      step(goldName(entity), goldStepSql(entity, features, tiles[entity.name] ?? entity.tilesTable)),
    ),
    step('valued', valuedSql(set, features, entities)),
  ];
  const rounded = features.map((feature) => `${roundedSql(feature)} as ${sqlName(feature.entry.name)}`);
  return `with ${steps.join(',\n')}
select
  ${[...PLACE, 'time_ms as event_time_ms', "case when is_on_time then 'PRESENT' else 'TOO_LATE' end as status", ...rounded].join(',\n  ')}
from valued`;
}

/** The incarnations whose rows are in windows, and their order: `_topic, _topic_id, incarnation`. Pure. */
export function feedingSql(relation: string): string {
  return `  select
    _topic, _topic_id,
    row_number() over (partition by _topic order by is_live, first_arrived_at, _topic_id) as incarnation
  from (
    select
      _topic, _topic_id, not starts_with(_topic_id, 'file:') as is_live,
      min(_arrived_at) as first_arrived_at, max(_ingested_at) as landed_at
    from ${relation} group by all
  )
  qualify is_live
    or landed_at < coalesce(min(first_arrived_at) filter (where is_live) over (partition by _topic), 'infinity')`;
}

// === Helpers ===

const PLACE = ['_topic', '_topic_id', '_partition', '_offset', '_key'];

/** Inputs and features that a feature reads. */
function namesUsed({ entry, expression, selection }: Feature): string[] {
  const trees = [expression, selection?.where].filter((tree) => tree !== undefined);
  const aggregated = entry.kind === 'stream' && entry.of !== undefined ? [entry.of] : [];
  return [...aggregated, ...(selection?.match ?? []), ...trees.flatMap((tree) => [...namesIn(tree)])];
}

function step(name: string, sql: string, how = ''): string {
  return `${name} as ${how}(\n${sql}\n)`;
}

function goodSql(set: FeatureSet, relation: string): string {
  const timeMs = `epoch_ms(${sqlName(set.source.eventTime)})`;
  const columns = [
    ...PLACE,
    `${timeMs} as time_ms`,
    `epoch_ms(_arrived_at) as arrived_at_ms`,
    `${timeMs} // 3600000 % 24 as hour`,
    ...inputColumns(set),
  ];
  return `  select\n    ${columns.join(',\n    ')}\n  from ${relation}\n  where _error is null`;
}

function placedSql(set: FeatureSet): string {
  const { drop, make } = exchangedColumns(set);
  const columns = [`good.*${drop.length > 0 ? ` exclude (${drop.join(', ')})` : ''}`, ...make];
  const onTime = `arrived_at_ms - time_ms <= ${set.settings.latenessMs}`;
  return `  select
    ${columns.join(',\n    ')},
    row_number() over () as row_id,
    ${onTime} as is_on_time,
    row_number() over (partition by _topic, _partition, _key, ${onTime} order by incarnation, _offset) as place
  from good join feeding using (_topic, _topic_id)`;
}

/** The id of an entity in `chosen`; the space keeps it apart from inputs. */
function idName({ name }: GoldEntity): string {
  return sqlName(`${name} id`);
}

function goldName({ name }: GoldEntity): string {
  return sqlName(`gold ${name}`);
}

function chosenSql(set: FeatureSet, entities: readonly GoldEntity[], wanted: string | undefined): string {
  const { gridMs, graceMs } = set.settings;
  const ids = entities.map((entity) => `${sqlName(entity.idInput ?? '_key')} as ${idName(entity)}`);
  const columns = ['*', ...ids, `(time_ms - ${graceMs}) // ${gridMs} * ${gridMs} as as_of_ms`];
  return `  select ${columns.join(', ')} from placed${wanted === undefined ? '' : `\n  where ${wanted}`}`;
}

function goldStepSql(entity: GoldEntity, features: readonly Feature[], tiles: string): string {
  const own = features.flatMap(({ gold }) => (gold?.entry.entity === entity.name ? [gold] : []));
  const points = `(select ${idName(entity)} as entity_id, as_of_ms from chosen)`;
  const columns = own.map(({ column, entry }) => `${sqlName(column)} as ${partName(entry.name, '')}`);
  return `  select entity_id, as_of_ms, ${columns.join(', ')} from (
${goldAtSql(entity, own, { points, tiles })}
  )`;
}

function windowsSql(set: FeatureSet, streams: readonly Feature[]): string {
  const ring = set.settings.ringRecords;
  const longestMs = Math.max(...streams.map(({ selection }) => selection?.windowMs ?? 0));
  const columns = streams.flatMap((feature) => aggregateColumns(set, feature));
  return `  select
    ${['e.row_id', ...columns].join(',\n    ')}
  from chosen as e
  cross join (values (0), (1)) as earlier_ring(ring_back)
  cross join (values (0), (1)) as earlier_time(time_back)
  join placed as x
    on x._topic = e._topic and x._partition = e._partition and x._key = e._key
    and x.place // ${ring} = e.place // ${ring} - ring_back
    and x.time_ms // ${longestMs} = e.time_ms // ${longestMs} - time_back
  where e.is_on_time and x.is_on_time
    and x.place < e.place and x.place >= e.place - ${ring}
    and x.time_ms <= e.time_ms
  group by e.row_id`;
}

/** By aggregation what is aggregated over `c`, a column of `x`; suffixes tell parts apart. */
const PARTS: Record<Aggregation, readonly (readonly [suffix: string, sql: (c: string) => string])[]> = {
  count: [['', () => 'count(*)']],
  sum: [['', (c) => `sum(${c})`]],
  mean: [
    [' sum', (c) => `sum(${c})`],
    [' n', (c) => `count(${c})`],
  ],
  sd: [
    [' n', (c) => `count(${c})`],
    [' sum', (c) => `sum(${c})`],
    [' squares', (c) => `sum(cast(${c} as hugeint) * ${c})`],
  ],
  min: [['', (c) => `min(${c})`]],
  max: [['', (c) => `max(${c})`]],
  distinct: [['', (c) => `count(distinct ${c})`]],
  seconds_since: [['', () => 'max(x.time_ms)']],
};

function aggregateColumns(set: FeatureSet, { entry, selection }: Feature): string[] {
  if (entry.kind !== 'stream' || selection === undefined) return [];
  const conditions = [
    `x.time_ms >= e.time_ms - ${selection.windowMs}`,
    ...selection.match.map((name) => `x.${sqlName(name)} = e.${sqlName(name)}`),
    ...(selection.where === undefined ? [] : [expressionSql(set, selection.where, 'x.')]),
  ];
  const column = entry.of === undefined ? '' : `x.${sqlName(entry.of)}`;
  return PARTS[entry.aggregation].map(
    ([suffix, sql]) =>
      `${sql(column)} filter (where ${conditions.join(' and ')}) as ${partName(entry.name, suffix)}`,
  );
}

/** A column of `windows`; the space keeps it apart from features. */
function partName(feature: string, suffix: string): string {
  return sqlName(`${feature} found${suffix}`);
}

function valuedSql(set: FeatureSet, features: readonly Feature[], entities: readonly GoldEntity[]): string {
  const values = features.map((feature) => {
    const value =
      feature.expression === undefined ? foundSql(feature) : expressionSql(set, feature.expression);
    const held = feature.isWindowed ? `case when is_on_time then ${value} end` : value;
    return `${held} as ${sqlName(feature.entry.name)}`;
  });
  const hasWindows = features.some(({ selection }) => selection !== undefined);
  const golds = entities.map(
    (entity, i) =>
      `left join ${goldName(entity)} as g${i} on g${i}.entity_id = chosen.${idName(entity)} and g${i}.as_of_ms = chosen.as_of_ms`,
  );
  const from = ['chosen', ...(hasWindows ? ['left join windows using (row_id)'] : []), ...golds];
  const found = features.flatMap(({ gold, entry }) => (gold === undefined ? [] : [partName(entry.name, '')]));
  const all = ['chosen.*', ...(hasWindows ? ['windows.* exclude (row_id)'] : []), ...found, ...values];
  return `  select\n    ${all.join(',\n    ')}\n  from ${from.join('\n  ')}`;
}

/** The value of a stream or gold feature from its parts; whole numbers become doubles by one rounding. */
function foundSql({ entry, gold }: Feature): string {
  if (gold?.isAge === true) return `(cast(time_ms as double) - ${partName(entry.name, '')}) / 1e3`;
  if (gold !== undefined) return partName(entry.name, '');
  if (entry.kind !== 'stream') throw new Error(`${entry.name} is no aggregate`);
  return aggregateSql(entry.name, entry.aggregation);
}

function aggregateSql(name: string, aggregation: Aggregation): string {
  const part = (suffix = '') => partName(name, suffix);
  const sum = (suffix: string) => `cast(cast(coalesce(${part(suffix)}, 0) as bigint) as double)`;
  switch (aggregation) {
    case 'count':
    case 'distinct':
    case 'sum':
      return sum('');
    case 'mean':
      return `${sum(' sum')} / nullif(cast(${part(' n')} as double), 0)`;
    case 'min':
    case 'max':
      return `cast(${part()} as double)`;
    case 'seconds_since':
      return `cast(time_ms - ${part()} as double) / 1e3`;
    case 'sd':
      return deviationSql(`cast(${part(' n')} as hugeint)`, part(' sum'), part(' squares'));
  }
}

/** An expression over inputs of `alias` and over features that stand before it in the same select. */
function expressionSql(set: FeatureSet, expression: Expression, alias = ''): string {
  if (expression.kind === 'number') return sqlDouble(expression.value);
  if (expression.kind === 'text') return `'${expression.value.replaceAll("'", "''")}'`;
  if (expression.kind === 'call') {
    return operationOf(expression.operation).sql(
      ...expression.args.map((arg) => expressionSql(set, arg, alias)),
    );
  }
  const { name } = expression;
  const column = `${alias}${sqlName(name)}`;
  const input = set.inputs.find((one) => one.name === name);
  const isFeature = set.features.some(({ entry }) => entry.name === name);
  const isDouble = isFeature || input?.type === 'text' || input?.input.kind === 'number';
  return isDouble ? column : `cast(${column} as double)`;
}

function roundedSql({ entry, isTruth }: Feature): string {
  const name = sqlName(entry.name);
  if (isTruth) return `coalesce(cast(cast(${name} as integer) as float), 'nan'::float)`;
  return `case when abs(${name}) <= ${MAX_FLOAT32} then cast(${name} as float) else 'nan'::float end`;
}
