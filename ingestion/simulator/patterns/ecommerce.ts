import { type Actor, favouriteOf, newDevice, newInstrument, type Session } from '../actor.ts';
import { PRODUCT_CATEGORIES, type ProductCategory, SHOPS } from '../catalog.ts';
import type { CartItem, EcommerceDraft } from '../event.ts';
import { type Address, foreignIp, homeIp, proxyIp, randomAddress } from '../geography.ts';
import { minorFromUsd, shelfPriceMinor } from '../money.ts';
import { clamp, hash32 } from '../prng.ts';
import {
  HOUR_MS,
  MINUTE_MS,
  moments,
  type Pattern,
  type Scene,
  SECOND_MS,
  type Step,
  sessionOf,
  sessionSeconds,
} from '../sequence.ts';

const ALL_CATEGORIES = Object.keys(PRODUCT_CATEGORIES) as ProductCategory[];

export const ECOMMERCE_PATTERNS: readonly Pattern[] = [
  { name: 'regular_shopper', domain: 'ecommerce', fraud: false, weight: 75, plan: shopper },
  { name: 'regular_window_shopper', domain: 'ecommerce', fraud: false, weight: 17, plan: windowShopper },
  { name: 'fraud_card_testing', domain: 'ecommerce', fraud: true, weight: 3, plan: cardTesting },
  {
    name: 'fraud_friendly_fraud',
    domain: 'ecommerce',
    fraud: true,
    weight: 3,
    suits: ({ refunder }) => refunder,
    plan: friendlyFraud,
  },
  { name: 'fraud_promo_abuse', domain: 'ecommerce', fraud: true, weight: 2, plan: promoAbuse },
];

// === Helpers ===

/** Some send gifts, some order again in seconds, some want one dear thing. */
function shopper(scene: Scene): Step[] {
  const { rng } = scene;
  const roll = rng.next();
  if (roll < 0.014) return sharedHome(scene);
  if (roll < 0.03) return newStudent(scene);
  const again = rng.chance(0.14);
  const dear = rng.chance(0.18);
  return orders(scene, {
    times: moments(rng.int(2, 3), () => rng.logNormal(again ? 2 * MINUTE_MS : 14 * MINUTE_MS, 1)),
    startSec: again ? clamp(rng.logNormal(60, 0.9), 5, 600) : rng.between(300, 2_400),
    cart: () => (dear ? [itemOf(scene, 'electronics')] : cartOf(scene, rng.int(1, 4))),
    ...(rng.chance(0.2) ? { shipping: randomAddress(rng, scene.actor.country) } : {}),
  });
}

/** One book after the other on a new card, sent to a new address, and in the end a computer. */
function newStudent(scene: Scene): Step[] {
  const { rng, actor } = scene;
  const count = rng.int(4, 8);
  let left = rng.chance(0.6) ? count : count + 1;
  return orders(scene, {
    session: { ...sessionOf(scene), instrument: newInstrument(rng, 'credit_card') },
    times: moments(count, () => rng.logNormal(75 * SECOND_MS, 0.9)),
    startSec: clamp(rng.logNormal(80, 1), 5, 1_500),
    freshVisits: true,
    ...(rng.chance(0.7) ? { shipping: randomAddress(rng, actor.country) } : {}),
    cart: () => {
      left -= 1;
      return [left === 0 ? large(scene) : itemOf(scene, 'books')];
    },
  });
}

/** People who share a flat, a device and a shop's offer: several new accounts, all honest. */
function sharedHome(scene: Scene): Step[] {
  const { rng } = scene;
  return siblings(scene, {
    count: rng.int(3, 5),
    gapMs: rng.pick([8 * MINUTE_MS, 2 * HOUR_MS]),
    ownAddress: 0.5,
    base: scene.world.newcomer('ecommerce', rng),
  });
}

function windowShopper(scene: Scene): Step[] {
  const { rng } = scene;
  return orders(scene, {
    times: moments(rng.int(2, 4), () => rng.logNormal(25 * MINUTE_MS, 0.8)),
    startSec: rng.between(600, 3_600),
    cart: () => cartOf(scene, rng.int(1, 2)),
  });
}

/** A stolen card is tried with books; when it works, one large order follows. */
function cardTesting(scene: Scene): Step[] {
  const { rng, actor } = scene;
  const own = sessionOf(scene);
  const stranger = rng.chance(0.3) ? proxyIp(rng) : foreignIp(rng, actor.country.code);
  const session: Session = {
    ip: rng.chance(0.45) ? stranger : own.ip,
    deviceId: rng.chance(0.5) ? newDevice('ecommerce', rng) : own.deviceId,
    // Some thieves find the card in the account that they have opened.
    instrument: rng.chance(0.7) ? newInstrument(rng, 'credit_card') : own.instrument,
  };
  const count = rng.int(5, 10);
  let left = count;
  return orders(scene, {
    session,
    times: moments(count, () => rng.logNormal(75 * SECOND_MS, 0.9)),
    startSec: clamp(rng.logNormal(80, 1), 5, 1_500),
    freshVisits: true,
    ...(rng.chance(0.6) ? { shipping: randomAddress(rng, actor.country) } : {}),
    cart: () => {
      left -= 1;
      return [left === 0 ? large(scene) : itemOf(scene, 'books')];
    },
  });
}

/** An ordinary order of something dear; what it was shows only when the money is called back. */
function friendlyFraud(scene: Scene): Step[] {
  const { rng } = scene;
  return orders(scene, {
    times: moments(rng.int(2, 3), () => rng.logNormal(20 * MINUTE_MS, 1)),
    startSec: rng.between(300, 1_800),
    cart: () => [itemOf(scene, 'electronics')],
  });
}

/** Sibling accounts `<id>_0`, `<id>_1` … of one person: same device, same address, new cards. */
function promoAbuse(scene: Scene): Step[] {
  const { rng } = scene;
  return siblings(scene, {
    count: rng.int(4, 8),
    gapMs: rng.pick([6 * MINUTE_MS, 2 * HOUR_MS]),
    ownAddress: 0.4,
    base: scene.world.stranger('ecommerce', rng),
  });
}

interface Siblings {
  readonly count: number;
  /** Median. */
  readonly gapMs: number;
  /** Share of the orders that are billed to the common address. */
  readonly ownAddress: number;
  readonly base: Actor;
}

function siblings(scene: Scene, { count, gapMs, ownAddress, base }: Siblings): Step[] {
  const { rng } = scene;
  const ip = homeIp(rng, base.country);
  const deviceId = newDevice('ecommerce', rng);
  const merchantId = rng.pick(SHOPS).id;
  const id = base.id.replace(/_\d$/, '');
  const times = moments(count, () => rng.logNormal(gapMs, 0.7));
  return times.flatMap((afterMs, sibling) => {
    const member = { ...scene, actor: { ...base, id: `${id}_${sibling}` } };
    const instrument = newInstrument(rng, rng.pick(['credit_card', 'paypal', 'debit_card']));
    const steps = orders(member, {
      session: { ip, deviceId, instrument },
      merchantId,
      times: [0],
      startSec: rng.between(120, 900),
      freshVisits: true,
      billing: rng.chance(ownAddress) ? base.address : randomAddress(rng, base.country),
      cart: () => cartOf(member, rng.int(1, 2)),
    });
    return steps.map(({ draft }) => ({ afterMs, draft }));
  });
}

interface Orders {
  readonly session?: Session;
  readonly merchantId?: string;
  readonly times: readonly number[];
  readonly startSec: number;
  readonly freshVisits?: true;
  readonly shipping?: Address;
  readonly billing?: Address;
  readonly cart: () => readonly CartItem[];
}

function orders(scene: Scene, plan: Orders): Step[] {
  const { rng, actor } = scene;
  const session = plan.session ?? sessionOf(scene);
  const merchantId = plan.merchantId ?? (rng.chance(0.8) ? favouriteOf(actor, rng) : rng.pick(SHOPS).id);
  return plan.times.map((afterMs) => {
    const seconds = plan.freshVisits
      ? plan.startSec * rng.between(0.7, 1.3)
      : sessionSeconds(plan.startSec, afterMs);
    const draft: EcommerceDraft = {
      domain: 'ecommerce',
      actorId: actor.id,
      merchantId,
      cart: plan.cart(),
      currency: actor.currency,
      paymentMethod: session.instrument.kind,
      instrumentId: session.instrument.id,
      shipping: plan.shipping ?? actor.address,
      billing: plan.billing ?? actor.address,
      ip: session.ip,
      deviceId: session.deviceId,
      sessionSec: Math.round(seconds),
    };
    return { afterMs, draft };
  });
}

function cartOf(scene: Scene, size: number): CartItem[] {
  return Array.from({ length: size }, () => itemOf(scene, scene.rng.pick(ALL_CATEGORIES)));
}

function itemOf(scene: Scene, category: ProductCategory): CartItem {
  const { rng, actor } = scene;
  const { from, to, median } = PRODUCT_CATEGORIES[category];
  const usd = clamp(rng.logNormal(median * actor.amountScale, actor.amountSpread), from, to);
  return itemAt(scene, category, usd);
}

function large(scene: Scene): CartItem {
  return { ...itemAt(scene, 'electronics', scene.rng.between(450, 999.99)), quantity: 1 };
}

function itemAt({ rng, actor }: Scene, category: ProductCategory, usd: number): CartItem {
  return {
    productId: `PROD${1_000 + (hash32(`${category}${Math.round(usd)}`) % 9_000)}`,
    category,
    priceMinor: shelfPriceMinor(minorFromUsd(usd, actor.currency), actor.currency),
    quantity: rng.pick([1, 1, 1, 1, 2, 3]),
  };
}
