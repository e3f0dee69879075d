import { Rng } from './prng.ts';

const SHOP_STYLES = ['North', 'Blue', 'Corner', 'Prime', 'Green', 'Daily'];
const SHOP_KINDS = ['Market', 'Outlet', 'Supply', 'Goods', 'Store'];

/** What the simulated world trades with; the source of `transforms/seeds/merchants.csv`. */
export interface Merchant {
  readonly id: string;
  readonly name: string;
  readonly kind: 'game' | 'shop' | 'payee';
  readonly category: string;
  readonly riskTier: 'low' | 'medium' | 'high';
}

/** Prices in whole units of the currency, as the shops show them. */
export const GAME_ITEMS = {
  skin: { from: 4.99, to: 19.99, names: ['Ember Cloak', 'Frost Armor', 'Neon Rider'] },
  weapon: { from: 9.99, to: 29.99, names: ['Storm Blade', 'Pulse Rifle', 'Iron Bow'] },
  lootbox: { from: 0.99, to: 4.99, names: ['Bronze Crate', 'Silver Crate', 'Mystery Crate'] },
  currency: { from: 4.99, to: 99.99, names: ['Coin Pouch', 'Gem Bundle', 'Gold Chest'] },
  battle_pass: { from: 9.99, to: 24.99, names: ['Season Pass', 'Season Pass Plus'] },
  emote: { from: 1.99, to: 9.99, names: ['Victory Dance', 'Slow Clap', 'Salute'] },
} as const;

export type GameItem = keyof typeof GAME_ITEMS;

/** Prices in US dollars. */
export const PRODUCT_CATEGORIES = {
  electronics: { from: 49.99, to: 999.99, median: 160 },
  clothing: { from: 19.99, to: 199.99, median: 48 },
  home: { from: 29.99, to: 499.99, median: 80 },
  books: { from: 9.99, to: 49.99, median: 18 },
  toys: { from: 14.99, to: 99.99, median: 30 },
} as const;

export type ProductCategory = keyof typeof PRODUCT_CATEGORIES;

export const GAMES: readonly Merchant[] = [
  merchant('FortniteClone', 'Fortnite Clone', 'game', 'shooter', 'low'),
  merchant('WoWRipoff', 'WoW Ripoff', 'game', 'role_playing', 'medium'),
  merchant('LOL2Electric', 'LOL 2 Electric', 'game', 'arena', 'low'),
  merchant('ApexLegends', 'Apex Legends', 'game', 'shooter', 'low'),
  merchant('Valorant', 'Valorant', 'game', 'shooter', 'medium'),
];

/** 60 shops; each sells mostly its own category. */
export const SHOPS: readonly Merchant[] = Array.from({ length: 60 }, (_, index) => {
  const rng = new Rng('shop', index);
  const category = rng.pick(Object.keys(PRODUCT_CATEGORIES));
  const name = `${rng.pick(SHOP_STYLES)} ${rng.pick(SHOP_KINDS)}`;
  return merchant(`M${String(1001 + index)}`, `${name} ${index + 1}`, 'shop', category, tierOf(rng));
});

/** 40 firms that many accounts pay: utilities, landlords, brokers. */
export const PAYEES: readonly Merchant[] = Array.from({ length: 40 }, (_, index) => {
  const rng = new Rng('payee', index);
  const category = rng.pick(['utility', 'telecom', 'insurance', 'rent', 'tax', 'broker', 'school']);
  return merchant(
    `ACC${String(9_900_001 + index)}`,
    `${title(category)} ${index + 1}`,
    'payee',
    category,
    tierOf(rng),
  );
});

/** The content of `transforms/seeds/merchants.csv`. */
export function merchantsSeedCsv(): string {
  const rows = [...GAMES, ...SHOPS, ...PAYEES].map((m) =>
    [m.id, m.name, m.kind, m.category, m.riskTier].join(','),
  );
  return `merchant_id,name,kind,category,risk_tier\n${rows.join('\n')}\n`;
}

// === Helpers ===

function merchant(
  id: string,
  name: string,
  ...[kind, category, riskTier]: [Merchant['kind'], string, Merchant['riskTier']]
): Merchant {
  return { id, name, kind, category, riskTier };
}

function tierOf(rng: Rng): Merchant['riskTier'] {
  return rng.weighted([
    { tier: 'low' as const, weight: 6 },
    { tier: 'medium' as const, weight: 3 },
    { tier: 'high' as const, weight: 1 },
  ]).tier;
}

function title(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
