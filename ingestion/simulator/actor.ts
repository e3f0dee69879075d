import { GAMES, PAYEES, SHOPS } from './catalog.ts';
import type { Domain } from './domains.ts';
import {
  type Address,
  COUNTRIES,
  type Country,
  foreignIp,
  homeIp,
  type IpAddress,
  proxyIp,
  randomAddress,
} from './geography.ts';
import type { Currency } from './money.ts';
import { at, Rng } from './prng.ts';

export const DAY_MS = 86_400_000;

/**
 * What a person does with the product. `business` accounts pay salaries: wires just under 10,000
 * that nobody has to hide.
 */
type Segment =
  | 'casual'
  | 'whale'
  | 'grinder'
  | 'saver'
  | 'bill_payer'
  | 'business'
  | 'shopper'
  | 'window_shopper';

export interface Instrument {
  readonly kind: string;
  readonly id: string;
}

/** One person or account: all that stays the same between two of its events. */
export interface Actor {
  readonly domain: Domain;
  readonly id: string;
  readonly segment: Segment;
  readonly country: Country;
  readonly currency: Currency;
  readonly address: Address;
  readonly ips: readonly IpAddress[];
  /** Newest last; `sinceAgeMs` before the world's present it came into use. */
  readonly devices: readonly { readonly id: string; readonly sinceAgeMs: number }[];
  readonly instruments: readonly Instrument[];
  /** Favourite counterparties, the first the dearest. */
  readonly favourites: readonly string[];
  /** Centre and spread of the circular distribution of its hours, in UTC hours. */
  readonly usualHour: number;
  readonly hourSpread: number;
  /** Factor on the amounts of its segment, and the spread (log) around it. */
  readonly amountScale: number;
  readonly amountSpread: number;
  /** How long before the world's present it signed up. */
  readonly signupAgeMs: number;
  /** Has asked for money back before, and will again. */
  readonly refunder: boolean;
  /** Uses an anonymising service for honest reasons. */
  readonly usesProxy: boolean;
}

/** A pure function of its arguments: the same person in history and in live traffic. */
export function createActor(options: { seed: number; domain: Domain; index: number }): Actor {
  const { seed, domain, index } = options;
  const rng = new Rng(seed, 'actor', domain, index);
  const drawn = rng.weighted(COUNTRIES);
  const segment = segmentOf(domain, index, rng);
  const household = householdOf(seed, domain, index);
  const home = household ?? rng;
  const country = household === undefined ? drawn : at(COUNTRIES, 0);
  const signupAgeMs = rng.between(0.2, 400) * DAY_MS;
  return {
    domain,
    id: actorId(domain, index),
    segment,
    country: country,
    currency: currencyOf(domain, country),
    address: randomAddress(home, country),
    ips: [0, 1, 2].map(() => homeIp(home, country)),
    devices: devicesOf(home, signupAgeMs, domain),
    instruments: instrumentsOf(domain, rng),
    favourites: favouritesOf(domain, rng),
    usualHour: (rng.between(12, 23) - country.utcOffsetHours + 24) % 24,
    hourSpread: rng.between(1.5, 4.5),
    amountScale: rng.logNormal(1, 0.35),
    amountSpread: rng.between(0.25, 0.7),
    signupAgeMs,
    refunder: index % 10 === 7,
    usesProxy: rng.chance(0.04),
  };
}

/** One visit: where from, with what. */
export interface Session {
  readonly ip: IpAddress;
  readonly deviceId: string;
  readonly instrument: Instrument;
}

/** An ordinary visit at `ageMs` before the present; some people travel, borrow a phone or hide their address. */
export function openSession(actor: Actor, rng: Rng, ageMs: number): Session {
  const ip = visitIp(actor, rng);
  const away = ip.country !== actor.country.code;
  return {
    ip,
    deviceId: rng.chance(away ? 0.3 : 0.015) ? newDevice(actor.domain, rng) : deviceAt(actor, rng, ageMs),
    instrument: at(actor.instruments, Math.floor(actor.instruments.length * rng.next() ** 2)),
  };
}

/** The id of a device that nobody has used before. */
export function newDevice(domain: Domain, rng: Rng): string {
  return rng.hex(domain === 'ecommerce' ? 32 : 12);
}

/** A favourite counterparty, the dearest most often. */
export function favouriteOf(actor: Actor, rng: Rng): string {
  return at(actor.favourites, Math.floor(actor.favourites.length * rng.next() ** 2));
}

/** How much likelier than on average the actor is awake at `hourUtc`. */
export function hourDensity(actor: Actor, hourUtc: number): number {
  const apart = Math.abs(hourUtc - actor.usualHour);
  const distance = Math.min(apart, 24 - apart) / actor.hourSpread;
  return Math.exp((-distance * distance) / 2);
}

/** An hour of the day (UTC, with its fraction) at which the actor may be awake. */
export function usualHourOf(actor: Actor, rng: Rng): number {
  return (((actor.usualHour + actor.hourSpread * rng.normal()) % 24) + 24) % 24;
}

// === Helpers ===

const PREFIX: Readonly<Record<Domain, string>> = { gaming: 'P', fintech: 'ACC', ecommerce: 'U' };

const SEGMENTS: Readonly<Record<Domain, readonly { segment: Segment; weight: number }[]>> = {
  gaming: [
    { segment: 'casual', weight: 60 },
    { segment: 'whale', weight: 15 },
    { segment: 'grinder', weight: 15 },
  ],
  fintech: [
    { segment: 'saver', weight: 55 },
    { segment: 'bill_payer', weight: 38 },
  ],
  ecommerce: [
    { segment: 'shopper', weight: 75 },
    { segment: 'window_shopper', weight: 17 },
  ],
};

const INSTRUMENT_KINDS: Readonly<Record<Domain, readonly { kind: string; weight: number }[]>> = {
  gaming: [
    { kind: 'credit_card', weight: 45 },
    { kind: 'paypal', weight: 25 },
    { kind: 'steam_wallet', weight: 30 },
  ],
  fintech: [{ kind: 'account', weight: 1 }],
  ecommerce: [
    { kind: 'credit_card', weight: 45 },
    { kind: 'debit_card', weight: 20 },
    { kind: 'paypal', weight: 20 },
    { kind: 'apple_pay', weight: 9 },
    { kind: 'google_pay', weight: 6 },
  ],
};

/** `ACC1234567`, `P1234567` or `U1234567`: numbers that say nothing about the index. */
function actorId(domain: Domain, index: number): string {
  const base = ecommerceBase(domain, index);
  const number = 1_000_000 + ((base.index * 7_368_787 + 1_234_577) % 8_900_000);
  return PREFIX[domain] + String(number) + base.suffix;
}

function segmentOf(domain: Domain, index: number, rng: Rng): Segment {
  const { segment } = rng.weighted(SEGMENTS[domain]);
  return domain === 'fintech' && index % 12 === 3 ? 'business' : segment;
}

/** In four of a hundred web shop accounts two people of one household share home, devices and name. */
function ecommerceBase(domain: Domain, index: number): { index: number; suffix: string } {
  const place = index % 100;
  if (domain !== 'ecommerce' || place < 40 || place > 43) return { index, suffix: '' };
  return { index: index - (place % 2), suffix: `_${place % 2}` };
}

function householdOf(seed: number, domain: Domain, index: number): Rng | undefined {
  const { index: base, suffix } = ecommerceBase(domain, index);
  return suffix === '' ? undefined : new Rng(seed, 'household', base);
}

function currencyOf(domain: Domain, country: Country): Currency {
  if (domain !== 'gaming') return country.currency;
  if (country.currency === 'CHF') return 'EUR';
  return country.currency === 'JPY' ? 'USD' : country.currency;
}

/** One device at sign-up, a second one for half of all, and a new one every 150 days or so. */
function devicesOf(rng: Rng, signupAgeMs: number, domain: Domain): Actor['devices'] {
  const devices = [{ id: newDevice(domain, rng), sinceAgeMs: signupAgeMs }];
  if (rng.chance(0.5)) devices.push({ id: newDevice(domain, rng), sinceAgeMs: signupAgeMs });
  let ageMs = signupAgeMs;
  for (;;) {
    ageMs += Math.log(1 - rng.next()) * 150 * DAY_MS;
    if (ageMs < 0) return devices;
    devices.push({ id: newDevice(domain, rng), sinceAgeMs: ageMs });
  }
}

function instrumentsOf(domain: Domain, rng: Rng): readonly Instrument[] {
  const count = rng.pick([1, 1, 2, 2, 3]);
  return Array.from({ length: count }, () => newInstrument(rng, rng.weighted(INSTRUMENT_KINDS[domain]).kind));
}

export function newInstrument(rng: Rng, kind: string): Instrument {
  return { kind, id: `ins_${rng.hex(12)}` };
}

function favouritesOf(domain: Domain, rng: Rng): readonly string[] {
  const count = rng.int(2, 5);
  if (domain === 'gaming') return Array.from({ length: count }, () => rng.pick(GAMES).id);
  if (domain === 'ecommerce') return Array.from({ length: count }, () => rng.pick(SHOPS).id);
  const accounts = Array.from({ length: 6 }, (_, place) => (place < 3 ? rng.pick(PAYEES).id : newPayee(rng)));
  return accounts.slice(0, count + 1);
}

/** An account that nobody has paid before, as far as anybody knows. */
export function newPayee(rng: Rng): string {
  return `ACC${rng.int(1_000_000, 9_899_999)}`;
}

function visitIp(actor: Actor, rng: Rng): IpAddress {
  const roll = rng.next();
  if (actor.usesProxy && roll < 0.35) return proxyIp(rng);
  if (roll < 0.03) return foreignIp(rng, actor.country.code);
  if (roll < 0.1) return homeIp(rng, actor.country);
  return at(actor.ips, Math.floor(actor.ips.length * rng.next() ** 2));
}

function deviceAt(actor: Actor, rng: Rng, ageMs: number): string {
  const known = actor.devices.filter((device) => device.sinceAgeMs >= ageMs);
  const back = known.length > 1 && rng.chance(0.2) ? 2 : 1;
  return at(known.length === 0 ? actor.devices : known, Math.max(known.length, 1) - back).id;
}
