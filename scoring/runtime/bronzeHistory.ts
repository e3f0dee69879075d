import { type SqlSession, sqlName, sqlText } from '../../infra/core/duckdb.ts';
import type { Contract, ContractField, FieldType } from '../../ingestion/contract.ts';
import { FILE_ID_PREFIX } from '../../ingestion/progress.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { pruneFiles } from '../../lakehouse/pruning.ts';
import { scan } from '../../lakehouse/scan.ts';
import type { Snapshot } from '../../lakehouse/snapshot.ts';
import type { FeatureInput } from '../../transforms/feature.ts';
import type { FeatureSet } from '../../transforms/featureSet.ts';
import { forgettableBefore } from '../../transforms/featureStream.ts';
import type { KnownBad, KnownGood } from '../lane.ts';

/** One source at one version of its bronze table. */
export interface History {
  readonly lake: Lake;
  readonly snapshot: Snapshot;
  readonly set: FeatureSet;
  readonly contract: Contract;
  /** The incarnation that is decided now; others come before it. */
  readonly topicId: string;
}

export interface FoldRequest {
  /** By partition, the offset of the incarnation below which rows are wanted. */
  readonly below: ReadonlyMap<number, number>;
  /** When the first live record of the topic arrived, if it is known from elsewhere. Files landed later are left out. */
  readonly firstLiveMs?: number | undefined;
  /** Asked between chunks; true ends the reading. */
  readonly isOver: () => boolean;
}

/** A row of bronze, with its offset. */
export interface BronzeRecord {
  readonly offset: number;
  readonly record: KnownGood | KnownBad;
}

/**
 * The good rows that windows of the next records can hold, those of a partition in the order of their
 * places: files landed before the first live record, then incarnations by their arrival.
 */
export async function foldHistory(
  history: History,
  request: FoldRequest,
  fold: (partition: number, record: KnownGood) => void,
): Promise<void> {
  const { lake, snapshot, set } = history;
  if (request.below.size === 0 || snapshot.files.size === 0) return;
  await using session = await lake.duckdb.connect();
  const facts = await lastRows(history, request, session);
  if (facts.partitions.length === 0) return;
  const cuts = facts.partitions.map(({ partition, arrivedAtMs }) => {
    return { partition, afterMs: forgettableBefore(set, arrivedAtMs) - marginMs(set) };
  });
  const fromMs = Math.min(...cuts.map(({ afterMs }) => afterMs)) - AHEAD_MS;
  const files = pruneFiles(snapshot, {
    [ARRIVAL_DATE]: { min: new Date(fromMs).toISOString().slice(0, 10) },
  });
  const columns = [...PLACE, '_error', '_key', '_arrived_at', set.source.eventTime, ...fieldsOf(history)];
  await using rows = await scan(lake, snapshot, { files, columns });
  const limits = cuts.map(({ partition, afterMs }) => {
    const below = request.below.get(partition) ?? 0;
    return `(${partition}, ${below}, make_timestamptz(${Math.max(0, afterMs)} * 1000))`;
  });
  const order = facts.order.map((topicId, index) => `(${sqlText(topicId)}, ${index})`);
  const { chunks } = await session.stream(`
    select _partition, ${recordColumns(history)}
    from ${rows.sql} as bronze
    join (values ${order.join(', ')}) as incarnation(topic_id, number) on topic_id = _topic_id
    join (values ${limits.join(', ')}) as wanted(partition, below, after) on partition = _partition
    where _error is null and ${sqlName(set.source.eventTime)} > after
      and (_topic_id <> ${sqlText(history.topicId)} or _offset < below)
    order by number, _partition, _offset`);
  const read = recordReader(history);
  for await (const chunk of chunks) {
    if (request.isOver()) return;
    for (const row of chunk) fold(row[0] as number, read(row, 1));
  }
}

/** Rows of the incarnation in [from, to), good and bad, by offset: what Kafka has no more. */
export async function* bronzeRecords(
  history: History,
  range: { readonly partition: number; readonly from: number; readonly to: number },
): AsyncGenerator<BronzeRecord> {
  const { lake, snapshot, set } = history;
  const files = pruneFiles(snapshot, {
    _topic_id: { min: history.topicId, max: history.topicId },
    _partition: { min: String(range.partition), max: String(range.partition) },
    _offset: { min: String(range.from), max: String(range.to - 1) },
  });
  const columns = [...PLACE, '_error', '_key', '_arrived_at', set.source.eventTime, ...fieldsOf(history)];
  await using rows = await scan(lake, snapshot, { files, columns });
  await using session = await lake.duckdb.connect();
  const { chunks } = await session.stream(`
    select cast(_offset as double), _error is not null, coalesce(_key, ''), ${recordColumns(history)}
    from ${rows.sql}
    where _topic_id = ${sqlText(history.topicId)} and _partition = ${range.partition}
      and _offset >= ${range.from} and _offset < ${range.to}
    order by _offset`);
  const read = recordReader(history);
  for await (const chunk of chunks) {
    for (const row of chunk) {
      const [offset, isBad, key] = row as [number, boolean, string];
      yield { offset, record: isBad ? { kind: 'bad', key } : read(row, 3) };
    }
  }
}

// === Helpers ===

const PLACE = ['_topic_id', '_partition', '_offset'];
const ARRIVAL_DATE = 'arrival_date';
/** A good record is at most this far ahead of its arrival: the decoder's bound. */
const AHEAD_MS = 5 * 60_000;

/**
 * More than windows can reach: a row that is left out makes room in its key's ring, which then must not be
 * filled by an older row that somebody can reach. Arrivals step back by at most L + 15 minutes.
 */
function marginMs(set: FeatureSet): number {
  return 2 * set.settings.latenessMs + 30 * 60_000;
}

interface LastRows {
  /** Topic ids that feed the windows, in their order. */
  readonly order: readonly string[];
  /** The arrival of the last row that is folded in, of partitions that have one. */
  readonly partitions: readonly { readonly partition: number; readonly arrivedAtMs: number }[];
}

/** One pass over four narrow columns of the whole table. */
async function lastRows(
  { lake, snapshot, topicId }: History,
  { below, firstLiveMs }: FoldRequest,
  session: SqlSession,
): Promise<LastRows> {
  const columns = [...PLACE, '_arrived_at', '_ingested_at'];
  await using rows = await scan(lake, snapshot, { columns });
  const wanted = [...below].map(([partition, offset]) => `(${partition}, ${offset})`);
  const found = await session.rows(`
    select _topic_id, _partition,
      cast(min(epoch_ms(_arrived_at)) as double) as first_ms,
      cast(max(epoch_ms(_ingested_at)) as double) as landed_ms,
      cast(arg_max(epoch_ms(_arrived_at), _offset)
        filter (_topic_id <> ${sqlText(topicId)} or _offset < below) as double) as last_ms
    from ${rows.sql} left join (values ${wanted.join(', ')}) as wanted(partition, below) on partition = _partition
    group by all`);
  const parts = found.map((row) => ({
    topicId: String(row['_topic_id']),
    partition: Number(row['_partition']),
    firstMs: Number(row['first_ms']),
    landedMs: Number(row['landed_ms']),
    lastMs: typeof row['last_ms'] === 'number' ? row['last_ms'] : undefined,
  }));
  const order = feedingOrder(parts, topicId, firstLiveMs);
  const partitions = [...below.keys()].flatMap((partition) => {
    const last = order
      .map((id) => parts.find((part) => part.topicId === id && part.partition === partition)?.lastMs)
      .findLast((ms) => ms !== undefined);
    return last === undefined ? [] : [{ partition, arrivedAtMs: last }];
  });
  return { order, partitions };
}

interface Part {
  readonly topicId: string;
  readonly firstMs: number;
  readonly landedMs: number;
}

/** As `feeding` of the back-fill: files landed before the first live record, then topics by their first arrival. */
function feedingOrder(parts: readonly Part[], topicId: string, firstLiveMs = Number.POSITIVE_INFINITY) {
  const ids = [...Map.groupBy(parts, (part) => part.topicId)].map(([id, own]) => ({
    id,
    isLive: !id.startsWith(FILE_ID_PREFIX),
    firstMs: Math.min(...own.map(({ firstMs }) => firstMs)),
    landedMs: Math.max(...own.map(({ landedMs }) => landedMs)),
  }));
  const live = ids.filter(({ isLive }) => isLive);
  const liveFrom = Math.min(firstLiveMs, ...live.map(({ firstMs }) => firstMs));
  return ids
    .filter(({ isLive, landedMs }) => isLive || landedMs < liveFrom)
    .toSorted(
      (a, b) =>
        Number(a.id === topicId) - Number(b.id === topicId) ||
        Number(a.isLive) - Number(b.isLive) ||
        a.firstMs - b.firstMs ||
        (a.id < b.id ? -1 : 1),
    )
    .map(({ id }) => id);
}

/** Key, times, and the fields that features read, in types that become numbers and texts of JavaScript. */
function recordColumns(history: History): string {
  const { contract, set, snapshot } = history;
  const known = new Set(snapshot.schema.map(({ name }) => name));
  const fields = fieldsOf(history).map((name) => {
    const field = contract.fields.find((one) => one.name === name);
    if (field === undefined) throw new Error(`${contract.table} has no field ${name}`);
    // A field of a newer contract that no landed record has had yet.
    return `cast(${known.has(name) ? sqlName(name) : 'null'} as ${plainType(field.type)})`;
  });
  const times = [set.source.eventTime, '_arrived_at'].map(
    (name) => `cast(epoch_ms(${sqlName(name)}) as double)`,
  );
  return ['_key', ...times, ...fields].join(', ');
}

/** A row of `recordColumns` from column `at` on as a record. */
function recordReader(history: History): (row: readonly unknown[], at: number) => KnownGood {
  const names = fieldsOf(history);
  // hot path
  return (row, at) => {
    const value: Record<string, unknown> = {};
    for (let i = 0; i < names.length; i += 1) value[names[i] as string] = row[at + 3 + i];
    const [key, eventTimeMs, arrivedAtMs] = [row[at], row[at + 1], row[at + 2]];
    return {
      kind: 'good',
      key: key as string,
      value,
      eventTimeMs: eventTimeMs as number,
      arrivedAtMs: arrivedAtMs as number,
    };
  };
}

/** Fields at the top of a record that features or its id stand on. */
function fieldsOf({ set, contract }: History): string[] {
  const { inputs, eventId } = set.source;
  const paths = Object.values(inputs).flatMap(pathsOf);
  const names = new Set([...paths, ...(eventId === undefined ? [] : [eventId])].map(firstName));
  return contract.fields.map(({ name }) => name).filter((name) => names.has(name));
}

function firstName(path: string): string {
  return path.split('.')[0] ?? path;
}

function pathsOf(input: FeatureInput): string[] {
  return input.kind === 'exchanged' ? [input.by, ...pathsOf(input.of)] : [input.field];
}

/** Decimals and longs are numbers in JSON: the nearest double, as the parser of records takes them. */
function plainType(type: FieldType): string {
  if (typeof type === 'string') return PLAIN_TYPES[type];
  if (type.type === 'decimal') return 'double';
  if (type.type === 'array') return `${plainType(type.items)}[]`;
  return `struct(${type.fields.map(plainField).join(', ')})`;
}

function plainField({ name, type }: ContractField): string {
  return `${sqlName(name)} ${plainType(type)}`;
}

const PLAIN_TYPES: Record<Extract<FieldType, string>, string> = {
  string: 'varchar',
  int: 'integer',
  long: 'double',
  double: 'double',
  boolean: 'boolean',
  'timestamp-micros': 'varchar',
};
