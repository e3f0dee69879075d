import type { Domain, StreamRecord } from './randomStream.ts';

/**
 * Every shipped feature by hand, in O(n²), from the page of definitions: it knows neither expressions, nor
 * SQL, nor rings. A missing value is NaN; numbers are doubles, rounded once at the end.
 */
export interface OracleSettings {
  readonly latenessMs: number;
  readonly ringRecords: number;
}

export interface OracleVector {
  readonly status: 'PRESENT' | 'TOO_LATE';
  readonly values: Readonly<Record<string, number>>;
}

/** The records of one partition in the order of their places → a vector for each. */
export function oracleVectors(
  records: readonly StreamRecord[],
  domain: Domain,
  { latenessMs, ringRecords }: OracleSettings,
  gold: (index: number) => Readonly<Record<string, number>> = () => ({}),
): OracleVector[] {
  const facts = records.map((record) => factsOf(record, domain));
  const isOnTime = (i: number) => records[i]!.arrivedAtMs - records[i]!.eventTimeMs <= latenessMs;
  return facts.map((event, i) => {
    const before: Facts[] = [];
    for (let j = i - 1; j >= 0 && before.length < ringRecords; j -= 1) {
      if (records[j]!.key === records[i]!.key && isOnTime(j)) before.push(facts[j]!);
    }
    const isLate = !isOnTime(i);
    const window = (ms: number) => before.filter((x) => event.time - ms <= x.time && x.time <= event.time);
    const onWindows = mapValues(windowFeatures(event, window), (value) => (isLate ? Number.NaN : value));
    const onTiles = gold(i);
    const values = {
      ...eventFeatures(event),
      ...onWindows,
      ...onTiles,
      ...derivedFromTiles(event, onTiles, onWindows['cnt_user_1h']!),
    };
    return { status: isLate ? 'TOO_LATE' : 'PRESENT', values: mapValues(values, rounded) };
  });
}

/** Cents of the base currency; undefined beyond 2^53 − 1. */
export function centsOf(record: StreamRecord, domain: Domain): bigint | undefined {
  return factsOf(record, domain).cents;
}

// === Helpers ===

interface Facts {
  readonly time: number;
  /** Hundredths of a unit of its currency, and cents of the base currency; undefined beyond 2^53 − 1. */
  readonly hundredths: bigint | undefined;
  readonly cents: bigint | undefined;
  readonly other: unknown;
  readonly device: unknown;
  readonly card: unknown;
  readonly countries: readonly [unknown, unknown];
}

type Json = Record<string, unknown>;

function factsOf({ value, eventTimeMs }: StreamRecord, domain: Domain): Facts {
  const v = value as Json;
  const cart = (v['cart_items'] ?? []) as readonly Json[];
  const exact =
    domain === 'ecommerce'
      ? cart.reduce((sum, item) => sum + hundredthsOf(item['price']) * BigInt(item['quantity'] as number), 0n)
      : hundredthsOf(v['amount']);
  const hundredths = fitting(exact);
  return {
    time: eventTimeMs,
    hundredths,
    cents: hundredths === undefined ? undefined : fitting(inBase(hundredths, String(v['currency']))),
    other: v['account_to'] ?? v['game_id'] ?? v['merchant_id'],
    device: v['device_id'] ?? v['device_fingerprint'],
    card: v['instrument_id'],
    countries:
      domain === 'ecommerce'
        ? [(v['billing_address'] as Json)['country'], (v['shipping_address'] as Json)['country']]
        : [v['country_from'], v['country_to']],
  };
}

/** By the digits of the number, not by arithmetic on it. */
function hundredthsOf(amount: unknown): bigint {
  const [units = '', places = ''] = String(amount).split('.');
  return BigInt(units) * 100n + BigInt(places.padEnd(2, '0'));
}

const TEN_THOUSANDTHS: Record<string, bigint> = {
  USD: 10000n,
  EUR: 10850n,
  GBP: 12700n,
  JPY: 67n,
  CHF: 11300n,
};

function inBase(hundredths: bigint, currency: string): bigint {
  const product = hundredths * TEN_THOUSANDTHS[currency]!;
  const [floor, rest] = [product / 10000n, product % 10000n];
  if (rest === 5000n) return floor % 2n === 0n ? floor : floor + 1n;
  return rest > 5000n ? floor + 1n : floor;
}

function fitting(whole: bigint): bigint | undefined {
  return whole <= 9007199254740991n ? whole : undefined;
}

function eventFeatures({ time, hundredths, cents, countries }: Facts): Record<string, number> {
  const hour = new Date(time).getUTCHours();
  const money = (holds: (x: bigint) => boolean, x: bigint | undefined) =>
    x === undefined ? Number.NaN : Number(holds(x));
  return {
    amt_log: cents === undefined ? Number.NaN : Math.log(1 + Number(cents) / 100),
    round_amount: money((x) => x % 1000n === 0n && x >= 5000n, hundredths),
    near_threshold: money((x) => x >= 900000n && x < 1000000n, cents),
    hour_sin: Math.sin((hour / 24) * 2 * Math.PI),
    hour_cos: Math.cos((hour / 24) * 2 * Math.PI),
    cross_border: Number(countries[0] !== countries[1]),
  };
}

function windowFeatures(e: Facts, window: (ms: number) => readonly Facts[]): Record<string, number> {
  const [last5m, hour, day] = [window(300_000), window(3_600_000), window(86_400_000)];
  const amounts = day.flatMap((x) => x.cents ?? []);
  const sums = { sum: total(amounts), squares: total(amounts.map((x) => x * x)), n: BigInt(amounts.length) };
  const mean = Number(sums.sum) / amounts.length;
  const spread = Number(sums.n * sums.squares - sums.sum * sums.sum);
  const sd = amounts.length < 2 ? Number.NaN : Math.sqrt(spread / (amounts.length * (amounts.length - 1)));
  const max = amounts.length === 0 ? Number.NaN : Math.max(...amounts.map(Number));
  const since = (found: readonly Facts[]) =>
    found.length === 0 ? Number.NaN : (e.time - Math.max(...found.map((x) => x.time))) / 1000;
  const cents = e.cents === undefined ? Number.NaN : Number(e.cents);
  const onDevice = day.filter((x) => x.device === e.device).length;
  const floor = mean / 100;
  return {
    cnt_user_5m: last5m.length,
    cnt_user_1h: hour.length,
    cnt_user_24h: day.length,
    sum_user_1h: Number(total(hour.flatMap((x) => x.cents ?? []))),
    sum_user_24h: Number(sums.sum),
    mean_user_24h: mean,
    sd_user_24h: sd,
    max_user_24h: max,
    small_cnt_card_1h: hour.filter((x) => x.cents !== undefined && x.cents <= 500n && x.card === e.card)
      .length,
    distinct_cards_24h: new Set(day.map((x) => x.card)).size,
    same_amount_repeat_24h: day.filter(
      (x) => x.cents !== undefined && x.cents === e.cents && x.other === e.other,
    ).length,
    secs_since_last_user: since(day),
    secs_since_last_pair: since(day.filter((x) => x.other === e.other)),
    distinct_merchants_24h: new Set(day.map((x) => x.other)).size,
    same_device_24h: onDevice,
    sub_threshold_n_24h: amounts.filter((x) => x >= 900000n && x < 1000000n).length,
    amt_ratio_mean_24h: cents / mean,
    amt_z_24h:
      day.length < 3 ? Number.NaN : (cents - mean) / (sd >= floor ? sd : sd < floor ? floor : Number.NaN),
    amt_ratio_max_24h: cents / max,
    velocity_ratio_24h: hour.length / (day.length / 24),
    new_device_24h: day.length === 0 ? Number.NaN : Number(onDevice === 0),
  };
}

function derivedFromTiles(e: Facts, gold: Readonly<Record<string, number>>, lastHour: number) {
  const cents = e.cents === undefined ? Number.NaN : Number(e.cents);
  const [mean, sd, n] = [gold['mean_user_30d']!, gold['sd_user_30d']!, gold['cnt_user_30d']!];
  const deviation = sd >= mean / 100 ? sd : sd < mean / 100 ? mean / 100 : Number.NaN;
  const first = gold['secs_since_first_device_90d']!;
  const [bad, known] = [gold['merchant_known_fraud_n_28d']!, gold['merchant_known_n_28d']!];
  return {
    amt_ratio_mean_30d: cents / mean,
    amt_z_30d: n < 3 ? Number.NaN : (cents - mean) / deviation,
    amt_ratio_max_90d: cents / gold['max_user_90d']!,
    velocity_ratio_30d: lastHour / (n / 720),
    new_device_90d: e.device === undefined ? Number.NaN : Number(Number.isNaN(first)),
    merchant_risk_28d: (bad + 0.2) / (known + 20),
  };
}

function total(values: readonly bigint[]): bigint {
  return values.reduce((sum, value) => sum + value, 0n);
}

/** Division by 0 gives no infinity. */
function rounded(value: number): number {
  return Number.isFinite(value) ? Math.fround(value) : Number.NaN;
}

function mapValues(
  values: Record<string, number>,
  change: (value: number) => number,
): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}
