import { type Actor, favouriteOf, newInstrument, type Session } from '../actor.ts';
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

/** Some send gifts, some order again in seconds. */
function shopper(scene: Scene): Step[] {
  const { rng } = scene;
  const again = rng.chance(0.12);
  return orders(scene, {
    times: moments(rng.int(2, 3), () => rng.logNormal(again ? 2 * MINUTE_MS : 12 * MINUTE_MS, 1)),
    startSec: again ? rng.between(6, 120) : rng.between(300, 2_400),
    cart: () => cartOf(scene, rng.int(1, 4)),
    ...(rng.chance(0.2) ? { shipping: randomAddress(rng, scene.actor.country) } : {}),
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
  const session: Session = {
    ip: rng.chance(0.35) ? proxyIp(rng) : rng.chance(0.5) ? foreignIp(rng, actor.country.code) : own.ip,
    deviceId: rng.chance(0.6) ? rng.hex(32) : own.deviceId,
    instrument: newInstrument(rng, 'credit_card'),
  };
  const count = rng.int(5, 10);
  let left = count;
  return orders(scene, {
    session,
    times: moments(count, () => rng.logNormal(45 * SECOND_MS, 0.7)),
    startSec: clamp(rng.logNormal(24, 0.8), 5, 240),
    freshVisits: true,
    shipping: randomAddress(rng, actor.country),
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
  const { rng, world } = scene;
  const base = world.stranger('ecommerce', rng);
  const ip = homeIp(rng, base.country);
  const deviceId = rng.hex(32);
  const merchantId = rng.pick(SHOPS).id;
  const times = moments(rng.int(4, 8), () => rng.logNormal(rng.pick([6 * MINUTE_MS, 2 * HOUR_MS]), 0.7));
  return times.flatMap((afterMs, sibling) => {
    const actor: Actor = { ...base, id: `${base.id.replace(/_\d$/, '')}_${sibling}` };
    return orders(
      { ...scene, actor },
      {
        session: { ip, deviceId, instrument: newInstrument(rng, rng.pick(['credit_card', 'paypal'])) },
        merchantId,
        times: [afterMs],
        startSec: rng.between(120, 600),
        freshVisits: true,
        billing: rng.chance(0.7) ? randomAddress(rng, base.country) : base.address,
        cart: () => cartOf({ ...scene, actor }, rng.int(1, 2)),
      },
    );
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
