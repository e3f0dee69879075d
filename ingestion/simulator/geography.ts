import type { Currency } from './money.ts';
import { at, type Rng } from './prng.ts';

export interface Country {
  /** ISO 3166-1 alpha-2. */
  readonly code: string;
  readonly weight: number;
  readonly currency: Currency;
  /** Standard time, in hours before (−) or after UTC. */
  readonly utcOffsetHours: number;
  /** First two bytes of its networks. */
  readonly networks: readonly string[];
  readonly cities: readonly City[];
}

interface City {
  readonly name: string;
  readonly state?: string;
  readonly zip: string;
}

export interface Address {
  readonly country: string;
  /** The address as compact JSON, in the contract's order of fields. */
  readonly json: string;
}

export const COUNTRIES: readonly Country[] = [
  {
    code: 'US',
    weight: 44,
    currency: 'USD',
    utcOffsetHours: -6,
    networks: ['24.16', '73.92', '98.35', '172.58'],
    cities: [
      { name: 'Austin', state: 'TX', zip: '787' },
      { name: 'Denver', state: 'CO', zip: '802' },
      { name: 'Portland', state: 'OR', zip: '972' },
      { name: 'Tampa', state: 'FL', zip: '336' },
    ],
  },
  {
    code: 'GB',
    weight: 14,
    currency: 'GBP',
    utcOffsetHours: 0,
    networks: ['81.96', '86.13', '92.40'],
    cities: [
      { name: 'Leeds', zip: 'LS' },
      { name: 'Bristol', zip: 'BS' },
      { name: 'Glasgow', zip: 'G' },
    ],
  },
  {
    code: 'DE',
    weight: 12,
    currency: 'EUR',
    utcOffsetHours: 1,
    networks: ['79.192', '84.128', '91.32'],
    cities: [
      { name: 'Hamburg', state: 'HH', zip: '20' },
      { name: 'Leipzig', state: 'SN', zip: '04' },
      { name: 'München', state: 'BY', zip: '80' },
    ],
  },
  {
    code: 'FR',
    weight: 10,
    currency: 'EUR',
    utcOffsetHours: 1,
    networks: ['82.64', '90.24'],
    cities: [
      { name: 'Lyon', zip: '690' },
      { name: 'Nantes', zip: '440' },
    ],
  },
  {
    code: 'CA',
    weight: 8,
    currency: 'USD',
    utcOffsetHours: -5,
    networks: ['70.48', '99.224'],
    cities: [
      { name: 'Ottawa', state: 'ON', zip: 'K1' },
      { name: 'Halifax', state: 'NS', zip: 'B3' },
    ],
  },
  {
    code: 'JP',
    weight: 7,
    currency: 'JPY',
    utcOffsetHours: 9,
    networks: ['126.72', '133.200'],
    cities: [
      { name: 'Osaka', state: '27', zip: '53' },
      { name: 'Sapporo', state: '01', zip: '06' },
    ],
  },
  {
    code: 'CH',
    weight: 5,
    currency: 'CHF',
    utcOffsetHours: 1,
    networks: ['85.0', '178.197'],
    cities: [
      { name: 'Bern', state: 'BE', zip: '30' },
      { name: 'Zürich', state: 'ZH', zip: '80' },
    ],
  },
];

/** Destinations that a bank watches. */
export const WATCHED_COUNTRIES = ['KY', 'PA', 'BZ', 'VG'] as const;

/** Networks of anonymising services, with the country that a look-up gives for them. */
const PROXY_NETWORKS = [
  { network: '45.142', country: 'NL' },
  { network: '185.220', country: 'DE' },
] as const;

export interface IpAddress {
  readonly ip: string;
  /** What a geo look-up says. */
  readonly country: string;
}

export function homeIp(rng: Rng, country: Country): IpAddress {
  return { ip: hostIn(rng, rng.pick(country.networks)), country: country.code };
}

/** An address in one of the other countries. */
export function foreignIp(rng: Rng, home: string): IpAddress {
  return homeIp(rng, otherCountry(rng, home));
}

export function proxyIp(rng: Rng): IpAddress {
  const { network, country } = rng.pick(PROXY_NETWORKS);
  return { ip: hostIn(rng, network), country };
}

export function otherCountry(rng: Rng, home: string): Country {
  const country = rng.weighted(COUNTRIES);
  if (country.code !== home) return country;
  const next = COUNTRIES.indexOf(country) + 1 + rng.int(0, COUNTRIES.length - 2);
  return at(COUNTRIES, next % COUNTRIES.length);
}

export function randomAddress(rng: Rng, country: Country): Address {
  const city = rng.pick(country.cities);
  const address = {
    street: `${rng.int(1, 240)} ${rng.pick(STREETS)}`,
    city: city.name,
    ...(city.state === undefined ? {} : { state: city.state }),
    zip: city.zip + String(rng.int(10, 999)).padStart(3, '0'),
    country: country.code,
  };
  return { country: country.code, json: JSON.stringify(address) };
}

// === Helpers ===

const STREETS = [
  'Oak Street',
  'Mill Lane',
  'Station Road',
  'High Street',
  'Garden Way',
  'Lake View',
  'Rue Neuve',
];

function hostIn(rng: Rng, network: string): string {
  return `${network}.${rng.int(0, 255)}.${rng.int(1, 254)}`;
}
