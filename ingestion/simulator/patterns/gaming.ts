import { favouriteOf, newDevice, newInstrument, type Session } from '../actor.ts';
import { GAME_ITEMS, type GameItem } from '../catalog.ts';
import type { GamingDraft } from '../event.ts';
import { foreignIp, homeIp, proxyIp } from '../geography.ts';
import { shelfPriceMinor } from '../money.ts';
import { clamp, Rng } from '../prng.ts';
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

const ALL_ITEMS = Object.keys(GAME_ITEMS) as GameItem[];

/** Items that are easily sold on. */
const GOODS: readonly GameItem[] = ['skin', 'weapon', 'battle_pass'];

export const GAMING_PATTERNS: readonly Pattern[] = [
  { name: 'regular_casual_player', domain: 'gaming', fraud: false, weight: 60, plan: casualPlayer },
  { name: 'regular_whale_spender', domain: 'gaming', fraud: false, weight: 15, plan: whaleSpender },
  { name: 'regular_grinder', domain: 'gaming', fraud: false, weight: 15, plan: grinder },
  { name: 'fraud_account_takeover', domain: 'gaming', fraud: true, weight: 5, plan: accountTakeover },
  { name: 'fraud_gold_farming', domain: 'gaming', fraud: true, weight: 3, plan: goldFarming },
  {
    name: 'fraud_chargeback_fraud',
    domain: 'gaming',
    fraud: true,
    weight: 2,
    suits: ({ refunder }) => refunder,
    plan: chargebackFraud,
  },
];

// === Helpers ===

function casualPlayer(scene: Scene): Step[] {
  const { rng } = scene;
  return visit(scene, {
    times: moments(rng.int(2, 3), () => rng.logNormal(6 * MINUTE_MS, 0.9)),
    startSec: rng.chance(0.18) ? clamp(rng.logNormal(90, 0.9), 5, 600) : rng.between(600, 3_000),
    buy: () => {
      const item = rng.pick(ALL_ITEMS);
      return { item, price: itemPrice(scene, item) };
    },
  });
}

/** Some buy in a hurry, as gifts: large amounts in short visits are not yet fraud. */
function whaleSpender(scene: Scene): Step[] {
  const { rng, actor } = scene;
  const gifts = rng.chance(0.2);
  return visit(scene, {
    times: moments(rng.int(4, 8), () => rng.logNormal(gifts ? 40 * SECOND_MS : 9 * MINUTE_MS, 0.9)),
    startSec: gifts ? rng.between(15, 240) : rng.between(1_200, 5_400),
    buy: () => ({
      item: rng.pick(ALL_ITEMS),
      price: clamp(rng.logNormal(48 * actor.amountScale, 0.55), 20, gifts ? 260 : 160),
    }),
  });
}

/** Long evenings with a small purchase every now and then; some have a machine top up their purse. */
function grinder(scene: Scene): Step[] {
  const { rng } = scene;
  const automatic = rng.chance(0.35);
  const everyMs = automatic ? evenGapMs(scene) : rng.logNormal(20 * MINUTE_MS, 0.5);
  return visit(scene, {
    times: moments(
      rng.int(3, 6),
      () => everyMs * (automatic ? rng.between(0.97, 1.03) : rng.between(0.5, 1.5)),
    ),
    startSec: automatic ? clamp(rng.logNormal(40, 1), 4, 2_400) : rng.between(3_600, 9_000),
    ...(automatic ? { freshVisits: true } : {}),
    buy: () => ({
      item: automatic || rng.chance(0.3) ? 'currency' : rng.pick(ALL_ITEMS),
      price: automatic ? rng.between(0.99, 5.49) : rng.between(1.99, 9.99),
    }),
  });
}

/**
 * New device, mostly a new country, and a burst of things that sell. Four of ten thieves sit behind
 * the victim's own device and network and buy what the victim might.
 */
function accountTakeover(scene: Scene): Step[] {
  const { rng, actor } = scene;
  const own = sessionOf(scene);
  const hidden = rng.chance(0.4);
  const ip = rng.chance(0.3)
    ? homeIp(rng, actor.country)
    : rng.chance(0.4)
      ? proxyIp(rng)
      : foreignIp(rng, actor.country.code);
  const session: Session = hidden ? own : { ...own, ip, deviceId: newDevice('gaming', rng) };
  return visit(scene, {
    session,
    times: moments(rng.int(3, 5), () => rng.logNormal((hidden ? 200 : 60) * SECOND_MS, 0.8)),
    startSec: hidden ? rng.between(300, 3_000) : clamp(rng.logNormal(240, 1.1), 20, 4_000),
    buy: () => ({
      item: rng.pick(GOODS),
      price: hidden ? rng.between(5, 25) : clamp(rng.logNormal(42, 0.7), 8, 200),
    }),
  });
}

/**
 * An account of a farm, made for it or bought: small currency packs at even gaps, mostly from devices
 * that the farm shares.
 */
function goldFarming(scene: Scene): Step[] {
  const { rng, world } = scene;
  const bought = rng.chance(0.5);
  const farmer = bought
    ? scene.actor
    : rng.chance(0.5)
      ? world.stranger('gaming', rng)
      : world.newcomer('gaming', rng);
  const farm = new Rng(world.seed, 'farm', rng.int(1, 80));
  const own = sessionOf({ ...scene, actor: farmer });
  const shared = { ip: homeIp(farm, farmer.country), deviceId: farm.hex(12) };
  const instrument = cardOf({ ...scene, actor: farmer });
  const everyMs = evenGapMs(scene);
  return visit(
    { ...scene, actor: { ...farmer, currency: 'USD' } },
    {
      session: bought && rng.chance(0.7) ? { ...own, instrument } : { ...shared, instrument },
      times: moments(rng.int(5, 10), () => everyMs * rng.between(0.97, 1.03)),
      startSec: clamp(rng.logNormal(40, 1), 4, 2_400),
      freshVisits: true,
      buy: () => ({ item: 'currency', price: rng.between(0.99, 4.99) }),
    },
  );
}

function evenGapMs({ rng }: Scene): number {
  return rng.between(4 * MINUTE_MS, 3 * HOUR_MS);
}

/** Looks like a good customer's evening; the money is called back afterwards, not for the first time. */
function chargebackFraud(scene: Scene): Step[] {
  const { rng } = scene;
  const session = { ...sessionOf(scene), instrument: cardOf(scene) };
  return visit(scene, {
    session,
    times: moments(rng.int(2, 4), () => rng.logNormal(6 * MINUTE_MS, 0.9)),
    startSec: rng.chance(0.3) ? rng.between(60, 600) : rng.between(600, 3_000),
    buy: () => ({
      item: rng.pick(['lootbox', 'battle_pass', 'currency'] as const),
      price: clamp(rng.logNormal(38, 0.8), 5, 500),
    }),
  });
}

interface Visit {
  readonly session?: Session;
  readonly times: readonly number[];
  /** Seconds into the visit at the first purchase. */
  readonly startSec: number;
  /** Each purchase is a short visit of its own. */
  readonly freshVisits?: true;
  /** What is bought, and its price in units of the currency. */
  readonly buy: () => { readonly item: GameItem; readonly price: number };
}

function visit(
  scene: Scene,
  { session = sessionOf(scene), times, startSec, freshVisits, buy }: Visit,
): Step[] {
  const { rng, actor } = scene;
  const gameId = favouriteOf(actor, rng);
  const countryUnknown = rng.chance(0.05);
  return times.map((afterMs) => {
    const { item, price } = buy();
    const seconds = freshVisits ? startSec * rng.between(0.7, 1.3) : sessionSeconds(startSec, afterMs);
    const draft: GamingDraft = {
      domain: 'gaming',
      actorId: actor.id,
      gameId,
      itemType: item,
      itemName: rng.pick(GAME_ITEMS[item].names),
      amountMinor: shelfPriceMinor(price * 100, actor.currency),
      currency: actor.currency,
      paymentMethod: session.instrument.kind,
      instrumentId: session.instrument.id,
      ip: session.ip,
      countryUnknown,
      deviceId: session.deviceId,
      sessionSec: Math.round(seconds),
    };
    return { afterMs, draft };
  });
}

function itemPrice({ rng, actor }: Scene, item: GameItem): number {
  const { from, to } = GAME_ITEMS[item];
  return clamp(rng.logNormal(Math.sqrt(from * to) * actor.amountScale, actor.amountSpread), from, to);
}

/** Their credit card; the same one each time. */
function cardOf({ actor }: Scene): Session['instrument'] {
  const known = actor.instruments.find(({ kind }) => kind === 'credit_card');
  return known ?? newInstrument(new Rng(actor.id, 'card'), 'credit_card');
}
