import { createHash } from 'node:crypto';
import type { Domain } from './randomStream.ts';
import { DOMAINS, type VisibleRecord, type World } from './randomWorld.ts';

/**
 * Every shipped gold feature by hand, in O(n²), from the page of definitions; no tiles, no SQL. Values are
 * doubles before rounding; NaN is missing.
 */
export interface GoldSettings {
  readonly gridMs: number;
  readonly graceMs: number;
}

/** What the oracle of events knows about a record's amount. */
export type CentsOf = (record: VisibleRecord, domain: Domain) => bigint | undefined;

/** The gold values of every event of a world. */
export function goldOracle(world: World, settings: GoldSettings, centsOf: CentsOf) {
  const rows = DOMAINS.flatMap((domain) =>
    world.streams[domain].map((record) => rowOf(record, domain, centsOf(record, domain))),
  );
  const byEntity = {
    actor: Map.groupBy(rows, (row) => row.actor),
    merchant: Map.groupBy(rows, (row) => row.merchant),
    device: Map.groupBy(rows, (row) => row.device),
  };
  const known = knownLabels(world, rows);
  const remembered = new Map<readonly Row[], Map<string, readonly Row[]>>();
  return (record: VisibleRecord, domain: Domain): Record<string, number> => {
    const { actor, merchant, device, time } = rowOf(record, domain, undefined);
    const { gridMs, graceMs } = settings;
    const asOf = Math.floor((time - graceMs) / gridMs) * gridMs;
    const isIn = (ms: number, days: number) => {
      const hour = Math.floor(ms / gridMs) * gridMs;
      return asOf - days * DAY <= hour && hour < asOf;
    };
    const window = (own: readonly Row[] | undefined, days: number) => {
      const found = own ?? NO_ROWS;
      const key = `${asOf} ${days}`;
      const windows = remembered.get(found) ?? new Map<string, readonly Row[]>();
      const rowsIn =
        windows.get(key) ?? found.filter((row) => row.visibleFrom <= asOf && isIn(row.time, days));
      remembered.set(found, windows.set(key, rowsIn));
      return rowsIn;
    };
    const labelled = (isOwn: (row: Row) => boolean, days: number, counts: (label: string) => boolean) =>
      known(asOf).filter(({ event, label, knownAt }) => isOwn(event) && isIn(knownAt, days) && counts(label))
        .length;
    const own = {
      actor: byEntity.actor.get(actor),
      merchant: byEntity.merchant.get(merchant),
      device: byEntity.device.get(device),
    };
    const isFraud = (label: string) => label === 'fraud';
    const isKnown = (label: string) => label !== 'unsure';
    const isActor = (row: Row) => row.actor === actor;
    const isMerchant = (row: Row) => row.merchant === merchant;
    const month = amountsOf(window(own.actor, 30));
    const since = (found: readonly Row[]) =>
      found.length === 0 ? Number.NaN : (time - Math.min(...found.map((row) => row.time))) / 1000;
    return {
      cnt_user_7d: window(own.actor, 7).length,
      cnt_user_30d: window(own.actor, 30).length,
      sum_user_7d: Number(totalOf(amountsOf(window(own.actor, 7)))),
      mean_user_30d: Number(totalOf(month)) / month.length,
      sd_user_30d: deviationOf(month),
      max_user_90d: largestOf(amountsOf(window(own.actor, 90))),
      distinct_merchants_7d: distinctOf(window(own.actor, 7).map((row) => row.merchant)),
      secs_since_first_user_90d: since(window(own.actor, 90)),
      user_known_fraud_n_90d: labelled(isActor, 90, isFraud),
      merchant_known_n_28d: labelled(isMerchant, 28, isKnown),
      merchant_known_fraud_n_28d: labelled(isMerchant, 28, isFraud),
      merchant_known_fraud_n_7d: labelled(isMerchant, 7, isFraud),
      fan_in_7d: distinctOf(window(own.merchant, 7).map((row) => row.actor)),
      users_per_device_24h: distinctOf(window(own.device, 1).map((row) => row.actor)),
      users_per_device_7d: distinctOf(window(own.device, 7).map((row) => row.actor)),
      secs_since_first_device_90d: since(window(own.device, 90)),
      device_known_fraud_n_90d: labelled((row) => row.device === device, 90, isFraud),
    };
  };
}

/** Fewer than 64 exactly; else 63 · 2^63 over the 64th of the hashes in order: the first 63 of the last 64 bits of md5, little endian. */
export function distinctOf(texts: readonly string[]): number {
  const hashes = [...new Set(texts)].map((text) => {
    const bytes = createHash('md5').update(text).digest();
    return bytes.readBigUInt64LE(8) >> 1n;
  });
  if (hashes.length < 64) return hashes.length;
  const lowest = hashes.toSorted((a, b) => (a < b ? -1 : 1))[63]!;
  return Math.floor((63 * 2 ** 63) / Number(lowest) + 0.5);
}

// === Helpers ===

const DAY = 86_400_000;
const NO_ROWS: readonly Row[] = [];

interface Row {
  readonly id: string;
  readonly time: number;
  readonly visibleFrom: number;
  readonly place: string;
  readonly actor: string;
  readonly merchant: string;
  readonly device: string;
  readonly cents: bigint | undefined;
}

function rowOf(record: VisibleRecord, domain: Domain, cents: bigint | undefined): Row {
  const { value, key, eventTimeMs, visibleFromMs } = record;
  return {
    id: String(value['transaction_id']),
    time: eventTimeMs,
    visibleFrom: visibleFromMs,
    place: placeIn(`tx.${domain}`, record),
    actor: key,
    merchant: String(value['account_to'] ?? value['game_id'] ?? value['merchant_id']),
    device: String(value['device_id'] ?? value['device_fingerprint']),
    cents,
  };
}

/** A text that orders as (topic, topic id, partition, offset) do. */
function placeIn(topic: string, { topicId, partition, offset }: VisibleRecord): string {
  return [topic, topicId, String(partition).padStart(6, '0'), String(offset).padStart(9, '0')].join('\t');
}

/** The labels that count at a grid point, each with the row of its event that was visible first. */
function knownLabels({ labels }: World, rows: readonly Row[]) {
  const byId = Map.groupBy(labels, ({ value }) => String(value['event_id']));
  const events = Map.groupBy(rows, (row) => row.id);
  const known = new Map<number, readonly (Label & { readonly event: Row })[]>();
  return (asOf: number) => {
    const found =
      known.get(asOf) ??
      [...byId].flatMap(([id, records]) => {
        const label = labelAt(records, asOf);
        const event = firstVisible(events.get(id) ?? [], asOf);
        return label === undefined || event === undefined ? [] : [{ ...label, event }];
      });
    known.set(asOf, found);
    return found;
  };
}

function firstVisible(events: readonly Row[], asOf: number): Row | undefined {
  const visible = events.filter((row) => row.visibleFrom <= asOf);
  return visible.toSorted((a, b) => a.visibleFrom - b.visibleFrom || (a.place < b.place ? -1 : 1))[0];
}

interface Label {
  readonly label: string;
  readonly knownAt: number;
}

/** The label of an event: newest revisions of its statements, of which the strongest, then the newest counts. */
function labelAt(records: readonly VisibleRecord[], asOf: number): Label | undefined {
  const visible = records
    .filter(({ visibleFromMs }) => visibleFromMs <= asOf)
    .toSorted((a, b) => a.visibleFromMs - b.visibleFromMs || a.offset - b.offset);
  const newest = new Map<string, VisibleRecord>();
  for (const record of visible) {
    const id = String(record.value['label_id']);
    const before = newest.get(id);
    if (before === undefined || Number(before.value['revision']) < Number(record.value['revision'])) {
      newest.set(id, record);
    }
  }
  const statements = [...newest.values()].map((record) => ({
    id: String(record.value['label_id']),
    label: String(record.value['label']),
    knownAt: Math.max(record.eventTimeMs, record.arrivedAtMs),
    rank: rankOf(`${record.value['source']} ${record.value['label']}`),
  }));
  return statements.toSorted((a, b) => a.rank - b.rank || b.knownAt - a.knownAt || (a.id < b.id ? -1 : 1))[0];
}

function rankOf(statement: string): number {
  if (statement === 'verdict fraud') return 1;
  if (statement.startsWith('chargeback ')) return 2;
  return statement === 'verdict legitimate' ? 3 : 4;
}

function amountsOf(rows: readonly Row[]): bigint[] {
  return rows.flatMap(({ cents }) => cents ?? []);
}

function totalOf(values: readonly bigint[]): bigint {
  return values.reduce((sum, value) => sum + value, 0n);
}

function largestOf(values: readonly bigint[]): number {
  return values.length === 0 ? Number.NaN : Math.max(...values.map(Number));
}

function deviationOf(values: readonly bigint[]): number {
  const [n, sum] = [BigInt(values.length), totalOf(values)];
  if (n < 2n) return Number.NaN;
  const spread = n * totalOf(values.map((x) => x * x)) - sum * sum;
  return Math.sqrt(Number(spread) / Number(n * (n - 1n)));
}
