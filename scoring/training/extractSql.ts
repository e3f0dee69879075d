import { sqlName, sqlText } from '../../infra/core/duckdb.ts';
import type { FeatureSet } from '../../transforms/featureSet.ts';
import type { LabelSource } from '../scoringContent.ts';
import type { Periods } from './periods.ts';

/** The rows of one source that were there at T, for windows and for training. */
export interface SourceRows {
  readonly set: FeatureSet;
  /** The event's id, by which labels call it. */
  readonly eventId: string;
  /** Subquery of the source's bronze rows. */
  readonly relation: string;
  /** The back-fill of `relation`, for the rows of training. */
  readonly backfill: string;
}

/**
 * The vectors of one source with what else training wants of a row: place, arrival, event, who acts. A
 * feature that the source does not have is missing. Pure.
 */
export function vectorsSql(
  { set, eventId, relation, backfill }: SourceRows,
  featureNames: readonly string[],
): string {
  const known = new Set(set.features.map(({ entry }) => entry.name));
  const features = featureNames.map((name) =>
    known.has(name) ? sqlName(name) : `'nan'::float as ${sqlName(name)}`,
  );
  return `select
  ${sqlText(`${set.source.name} `)} || _key as entity, event, arrived_ms, ${PLACE.join(', ')}, event_time_ms,
  ${features.join(',\n  ')}
from (${backfill})
join (
  select ${PLACE.join(', ')}, ${sqlName(eventId)} as event, epoch_ms(_arrived_at) as arrived_ms
  from ${relation} where _error is null
) using (${PLACE.join(', ')})`;
}

/** The label of each event as of a time: `event`, `class` (null: leave it out), `known_ms`. Pure. */
export function labelsSql(
  labels: LabelSource,
  { rows, view, knownByMs }: { readonly rows: string; readonly view: string; readonly knownByMs: number },
): string {
  const known = `(select * from ${rows} where epoch_ms(${sqlName(labels.knownAt)}) <= ${knownByMs})`;
  const table = labels.table.split('.').map(sqlName).join('.');
  return `select ${sqlName(labels.event)} as event, ${labels.className} as class, epoch_ms(${sqlName(labels.knownAt)}) as known_ms
from (${view.replaceAll(table, known)})`;
}

/**
 * All rows with their classes. An event that is there twice counts once, as in its first record. What has
 * no label is `regular`, known when it is mature, in the training slice at the cutoff at the latest. Pure.
 */
export function classedSql(
  { vectors, atCutoff, atEnd }: { vectors: readonly string[]; atCutoff: string; atEnd: string },
  { training, cutoffMs }: Periods,
  { regular, maturityMs }: { readonly regular: string; readonly maturityMs: number },
): string {
  const isTraining = `event_time_ms < ${training.toMs}`;
  const mature = `event_time_ms + ${maturityMs}`;
  return `with once as (
  select * from (${vectors.map((sql) => `select * from ${sql}`).join(' union all by name ')})
  qualify row_number() over (partition by event order by arrived_ms, ${PLACE.join(', ')}) = 1
),
early as (${atCutoff}),
late as (${atEnd}),
labelled as (
  select once.*,
    case when ${isTraining} then early.event is not null else late.event is not null end as is_labelled,
    case when ${isTraining} then early.class else late.class end as label_class,
    case when ${isTraining} then early.known_ms else late.known_ms end as label_known_ms
  from once left join early using (event) left join late using (event)
)
select * exclude (is_labelled, label_class, label_known_ms),
  case when is_labelled then label_class else ${sqlText(regular)} end as class,
  case when is_labelled then label_known_ms
    when ${isTraining} then least(${mature}, ${cutoffMs}) else ${mature} end as known_ms
from labelled`;
}

/** The order of rows: time, then place. */
export const ROW_ORDER = 'event_time_ms, _topic, _topic_id, _partition, _offset';

// === Helpers ===

const PLACE = ['_topic', '_topic_id', '_partition', '_offset'];
