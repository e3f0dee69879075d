/** Random streams in which edges, ties, late and repeated records are common. */

export interface StreamRecord {
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly eventTimeMs: number;
  readonly arrivedAtMs: number;
}

export type Domain = 'gaming' | 'fintech' | 'ecommerce';

export interface Random {
  below(limit: number): number;
  pick<T>(...choices: readonly T[]): T;
}

/** Mulberry32. */
export function randomOf(seed: number): Random {
  let state = (seed + 1) * 0x9e3779b9;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return { below, pick: (...choices) => choices[below(choices.length)] as (typeof choices)[number] };
}

const QUARTER = 15 * 60_000;
const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000];

/**
 * The records of one partition, named by the seed, in the order of their places: the first third from a
 * file, the rest live. Times stand on a coarse grid, so that they meet the edges of windows, hours and grace exactly; a pause
 * now and then is as long as a window over tiles. Keys and ids carry the seed, so that seeds never meet in
 * one lake; devices, counterparties and some ids are those of the other domains' streams of the seed.
 */
export function randomStream(seed: number, events: number, domain: Domain): StreamRecord[] {
  const random = randomOf(seed);
  const records: StreamRecord[] = [];
  let clockMs = Date.UTC(2026, 0, 1);
  for (let i = 0; i < events; i += 1) {
    const isFile = i < events / 3;
    const [topicId, offset] = isFile ? ['file:past', i] : ['topic-1', i - Math.ceil(events / 3)];
    clockMs += pauseOf(random);
    if (random.below(8) === 0) clockMs += QUARTER - (clockMs % QUARTER);
    const arrivedAtMs = clockMs - (random.below(20) === 0 ? random.below(16) * MINUTE : 0);
    const place = { topicId, partition: seed, offset, arrivedAtMs } as const;
    const twin = records[records.length - 1 - random.below(8)];
    if (twin !== undefined && random.below(25) === 0 && arrivedAtMs >= twin.eventTimeMs) {
      records.push({ ...twin, ...place });
      continue;
    }
    const eventTimeMs = arrivedAtMs - latenessOf(random);
    const key = `${domain}-${seed}-${random.pick(1, 1, 1, 2, 2, 3)}`;
    const letter = random.below(10) === 0 ? 'Z' : domain.slice(0, 1);
    const id = `${letter}${seed}X${random.below(50) === 0 ? 1 : i}`.toUpperCase().padEnd(16, '0');
    const value = contentOf(random, { domain, seed, id, key, eventTimeMs });
    records.push({ ...place, key, eventTimeMs, value });
  }
  return records;
}

function pauseOf(random: Random): number {
  const short = random.pick(0, 0, 0, 1, 30 * SECOND, MINUTE, MINUTE, 5 * MINUTE, 10 * MINUTE, HOUR);
  const long = random.below(60) === 0 ? random.pick(6, 12, 23, 24, 30) * HOUR : 0;
  if (random.below(90) > 0) return short + long;
  return short + long + random.pick(6, 7, 21, 28, 30, 83, 90) * DAY - random.below(30) * HOUR;
}

/** Two in three in order; of the rest some exactly at L, just beyond it, far beyond it, or ahead of time. */
function latenessOf(random: Random): number {
  if (random.below(3) > 0) return 0;
  return random.pick(
    MINUTE,
    5 * MINUTE,
    random.below(60) * MINUTE,
    HOUR,
    HOUR,
    HOUR + 1,
    HOUR - 1,
    random.below(30) * HOUR,
    -MINUTE,
    -5 * MINUTE,
  );
}

interface Given {
  readonly domain: Domain;
  readonly seed: number;
  readonly id: string;
  readonly key: string;
  readonly eventTimeMs: number;
}

function contentOf(random: Random, { domain, seed, id, key, eventTimeMs }: Given): Record<string, unknown> {
  const timestamp = new Date(eventTimeMs).toISOString().replace('Z', random.pick('000Z', '999Z'));
  const currency = random.pick('USD', 'USD', 'EUR', 'GBP', 'JPY', 'CHF');
  const event = { transaction_id: id, timestamp, currency, ip_address: '10.0.0.1' };
  const other = `other-${seed}-${random.below(3)}`;
  const device = `device-${seed}-${random.below(3)}`;
  const countries = [random.pick('DE', 'FR'), random.pick('DE', 'FR', 'US')];
  const session = random.below(1_000);
  switch (domain) {
    case 'fintech':
      return {
        ...event,
        account_from: key,
        account_to: other,
        amount: moneyOf(random),
        transfer_type: 'sepa',
        country_from: countries[0],
        country_to: countries[1],
        purpose: 'rent',
        device_id: device,
      };
    case 'gaming':
      return {
        ...event,
        player_id: key,
        game_id: other,
        item_type: 'skin',
        item_name: 'hat',
        amount: moneyOf(random),
        payment_method: 'paypal',
        instrument_id: `card-${random.below(3)}`,
        device_id: device,
        session_length_sec: session,
      };
    case 'ecommerce':
      return {
        ...event,
        user_id: key,
        merchant_id: other,
        cart_items: Array.from({ length: 1 + random.below(3) }, () => ({
          product_id: 'p',
          category: 'books',
          price: moneyOf(random),
          quantity: random.pick(1, 1, 2, 3, 2_000_000_000),
        })),
        payment_method: 'credit_card',
        instrument_id: `card-${random.below(3)}`,
        shipping_address: addressIn(countries[1]),
        billing_address: addressIn(countries[0]),
        device_fingerprint: device,
        session_duration_sec: session,
      };
  }
}

/** Round, small, just under limits, halves of a cent after exchange, and the largest that a contract holds. */
function moneyOf(random: Random): number {
  return random.pick(
    0,
    5,
    5.01,
    10,
    50,
    8_999.99,
    9_000,
    9_999.99,
    10_000,
    499_999.99,
    0.1,
    0.5,
    random.below(100_000) / 100,
    9_999_999_999_999.99,
  );
}

function addressIn(country: string | undefined) {
  return { street: 'x', city: 'y', zip: '1', country };
}
