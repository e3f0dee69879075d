import { sqlName } from '../infra/core/duckdb.ts';
import type { Aggregation } from './feature.ts';
import { type Expression, namesIn, operationOf } from './featureExpression.ts';
import { exchangedColumns, inputColumns } from './featureInputSql.ts';
import { MAX_FLOAT32, sqlDouble } from './featureOperations.ts';
import type { Feature, FeatureSet } from './featureSet.ts';

/**
 * The back-fill: for every good row of `relation` (the source's bronze table, all columns) the vector that
 * the stream gives it. Columns: the place, `event_time_ms`, `status`, and a FLOAT per feature, NaN where
 * missing. Rows of a file that landed after the topic's first live record are in no window, and left out.
 *
 *   good     inputs of every good row
 *   feeding  incarnations of each topic in their order: files, then topics by their first arrival
 *   placed   the place of each row on time among those of its key
 *   windows  aggregates by event. An event meets the records that a window can hold, of its ring by place
 *            and of the longest window by time: both are cut into stretches, so that the join is by
 *            equality and no event meets more than two rings
 *   valued   features in doubles, those on windows missing when the event is late; then one rounding
 *
 * Pure; no I/O.
 */
export function backfillSql(
  whole: FeatureSet,
  relation: string,
  features: readonly Feature[] = whole.features,
): string {
  const used = new Set(features.flatMap(namesUsed));
  const set = { ...whole, inputs: whole.inputs.filter(({ name }) => used.has(name)) };
  const streams = features.filter(({ selection }) => selection !== undefined);
  const steps = [
    step('good', goodSql(set, relation)),
    step('feeding', feedingSql(relation)),
    step('placed', placedSql(set), 'materialized '),
    ...(streams.length > 0 ? [step('windows', windowsSql(set, streams))] : []),
    step('valued', valuedSql(set, features)),
  ];
  const rounded = features.map((feature) => `${roundedSql(feature)} as ${sqlName(feature.entry.name)}`);
  return `with ${steps.join(',\n')}
select
  ${[...PLACE, 'time_ms as event_time_ms', "case when is_on_time then 'PRESENT' else 'TOO_LATE' end as status", ...rounded].join(',\n  ')}
from valued`;
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

function feedingSql(relation: string): string {
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

function windowsSql(set: FeatureSet, streams: readonly Feature[]): string {
  const ring = set.settings.ringRecords;
  const longestMs = Math.max(...streams.map(({ selection }) => selection?.windowMs ?? 0));
  const columns = streams.flatMap((feature) => aggregateColumns(set, feature));
  return `  select
    ${['e.row_id', ...columns].join(',\n    ')}
  from placed as e
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

function valuedSql(set: FeatureSet, features: readonly Feature[]): string {
  const values = features.map((feature) => {
    const value =
      feature.expression === undefined ? aggregateSql(feature) : expressionSql(set, feature.expression);
    const held = feature.isWindowed ? `case when is_on_time then ${value} end` : value;
    return `${held} as ${sqlName(feature.entry.name)}`;
  });
  const hasWindows = features.some(({ selection }) => selection !== undefined);
  const from = hasWindows ? 'placed left join windows using (row_id)' : 'placed';
  return `  select\n    ${['*', ...values].join(',\n    ')}\n  from ${from}`;
}

const WIDE = '18446744073709551616::hugeint';

/** The value of a stream feature from its parts; whole numbers become doubles by one rounding. */
function aggregateSql({ entry }: Feature): string {
  if (entry.kind !== 'stream') throw new Error(`${entry.name} is no aggregate`);
  const part = (suffix = '') => partName(entry.name, suffix);
  const sum = (suffix: string) => `cast(cast(coalesce(${part(suffix)}, 0) as bigint) as double)`;
  switch (entry.aggregation) {
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
    case 'sd': {
      const [n, total] = [`cast(${part(' n')} as hugeint)`, part(' sum')];
      const spread = `(${n} * ${part(' squares')} - ${total} * ${total})`;
      const wide = `(cast(cast(${spread} // ${WIDE} as bigint) as double) * 18446744073709551616e0 + cast(cast(${spread} % ${WIDE} as ubigint) as double))`;
      return `case when ${part(' n')} > 1 then sqrt(${wide} / cast(${n} * (${n} - 1) as double)) end`;
    }
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
