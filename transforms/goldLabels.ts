import { sqlName } from '../infra/core/duckdb.ts';
import type { ResolvedSource } from './featureSource.ts';
import type { GoldEntity } from './goldEntity.ts';

/**
 * All rows that are visible at toMs, from the beginning on. An event and its label may become visible in
 * either order, and a correction takes back what was counted long ago: the history is read again at each
 * call, but only changes after `fromMs` are given.
 */
export interface LabelHistory {
  readonly labels: string;
  /** By bronze table of each feed. */
  readonly events: Readonly<Record<string, string>>;
  /** Where the last call ended; undefined: this one begins. */
  readonly fromMs?: number;
}

const PLACE = '_topic, _topic_id, _partition, _offset';

/**
 * Steps of a query, the last of which is `label_tiles`: counts of labels by entity_id, hour_ms and visible_from_ms.
 *
 *   statements   good labels; of those with equal statement and revision the one visible first
 *   labelled     of each event with a label the good row that was visible first
 *   known        a statement at the moment from which on it and its event are visible
 *   states       at each such moment the label that counts
 *   changes      +1 in the hour of the label that counts from here on, −1 in that of the one that did
 *
 * Pure; no I/O.
 */
export function labelTilesSql(entity: GoldEntity, history: LabelHistory): string[] {
  const { labels, feeds, settings } = entity;
  if (labels === undefined) throw new Error(`${entity.name} counts no labels`);
  const counts = countsOf(entity);
  const c = (field: string) => sqlName(field);
  const knownAt = `epoch_ms(greatest(${c(labels.availableAt)}, _arrived_at))`;
  const predicates = counts.map(
    (name) => `cast(coalesce(${labels.counts[name]}, false) as bigint) as ${c(name)}`,
  );
  const events = feeds.map(
    (feed) =>
      `    select ${c(feed.source.eventId ?? '')} as event_id, ${entityIdSql(entity, feed)} as entity_id, visible_from_ms, ${PLACE}
    from ${history.events[feed.source.table]} where _error is null and ${c(feed.source.eventId ?? '')} in (select event_id from statements)`,
  );
  const since =
    history.fromMs === undefined
      ? ''
      : `\n  qualify max(at_ms) over (partition by event_id) > ${history.fromMs}`;
  const listed = counts.map(c).join(', ');
  return [
    `statements as materialized (
  select
    ${c(labels.event)} as event_id, ${c(labels.statement)} as statement, ${c(labels.revision)} as revision,
    ${labels.rank} as rank, ${knownAt} as known_at_ms, visible_from_ms,
    ${predicates.join(', ')}
  from ${history.labels} where _error is null
  qualify row_number() over (
    partition by ${c(labels.event)}, ${c(labels.statement)}, ${c(labels.revision)} order by visible_from_ms, ${PLACE}
  ) = 1
)`,
    `labelled as (
  select event_id, entity_id, visible_from_ms from (
${events.join('\n    union all\n')}
  ) qualify row_number() over (partition by event_id order by visible_from_ms, ${PLACE}) = 1
)`,
    `known as materialized (
  select s.*, l.entity_id, greatest(s.visible_from_ms, l.visible_from_ms) as at_ms
  from statements as s join labelled as l using (event_id)
  where l.entity_id is not null${since}
)`,
    `newest as (
  select p.at_ms as point_ms, k.*
  from (select distinct event_id, at_ms from known) as p
  join known as k on k.event_id = p.event_id and k.at_ms <= p.at_ms
  qualify row_number() over (partition by p.event_id, p.at_ms, k.statement order by k.revision desc) = 1
)`,
    `states as (
  select
    entity_id, point_ms, known_at_ms // ${settings.gridMs} * ${settings.gridMs} as hour_ms, ${listed},
    lead(point_ms) over (partition by event_id order by point_ms) as until_ms
  from (
    from newest qualify row_number() over (
      partition by event_id, point_ms order by rank, known_at_ms desc, statement
    ) = 1
  )
)`,
    `changes as (
  select entity_id, hour_ms, point_ms as visible_from_ms, ${listed} from states
  union all
  select entity_id, hour_ms, until_ms, ${counts.map((name) => `-${c(name)}`).join(', ')} from states where until_ms is not null
)`,
    `label_tiles as (
  select entity_id, hour_ms, visible_from_ms, ${counts.map((name) => `cast(sum(${c(name)}) as bigint) as ${c(`${name}_labels`)}`).join(', ')}
  from changes${history.fromMs === undefined ? '' : ` where visible_from_ms > ${history.fromMs}`}
  group by all
  having ${counts.map((name) => `sum(${c(name)}) <> 0`).join(' or ')}
)`,
  ];
}

/** The id of the entity in rows of a source. Pure. */
export function entityIdSql({ idInput }: GoldEntity, { inputs }: ResolvedSource): string {
  const input = inputs.find(({ name }) => name === idInput)?.input;
  if (input === undefined) return '_key';
  if (input.kind !== 'text') throw new Error(`${idInput} is no text`);
  return input.field.split('.').map(sqlName).join('.');
}

// === Helpers ===

function countsOf({ partials }: GoldEntity): string[] {
  return partials.filter(({ kind }) => kind === 'labels').flatMap(({ of }) => of ?? []);
}
