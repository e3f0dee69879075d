import { type Actor, DAY_MS, favouriteOf, newPayee } from '../actor.ts';
import { PAYEES } from '../catalog.ts';
import type { FintechDraft } from '../event.ts';
import { COUNTRIES, otherCountry, WATCHED_COUNTRIES } from '../geography.ts';
import { minorFromUsd } from '../money.ts';
import { at, clamp } from '../prng.ts';
import { HOUR_MS, MINUTE_MS, moments, type Pattern, type Scene, type Step, sessionOf } from '../sequence.ts';

export const FINTECH_PATTERNS: readonly Pattern[] = [
  { name: 'regular_saver', domain: 'fintech', fraud: false, weight: 55, plan: saver },
  { name: 'regular_bill_payer', domain: 'fintech', fraud: false, weight: 38, plan: billPayer },
  {
    name: 'fraud_structuring',
    domain: 'fintech',
    fraud: true,
    weight: 2,
    suits: isAmerican,
    plan: structuring,
  },
  { name: 'fraud_money_laundering', domain: 'fintech', fraud: true, weight: 3, plan: moneyLaundering },
  { name: 'fraud_synthetic_identity', domain: 'fintech', fraud: true, weight: 2, plan: syntheticIdentity },
];

// === Helpers ===

type Transfer = Pick<FintechDraft, 'accountTo' | 'transferType' | 'countryTo' | 'purpose'> & {
  readonly usd: number;
};

/** One payee, same country; sometimes an investment, which goes anywhere and is large. */
function saver(scene: Scene): Step[] {
  const { rng, actor } = scene;
  const roll = rng.next();
  if (roll < 0.06) return investment(scene);
  if (roll < 0.11) return remittance(scene);
  if (roll < 0.15) return passingOn(scene);
  if (roll < 0.2) return largePurchase(scene);
  const accountTo = favouriteOf(actor, rng);
  const usual = rng.logNormal(600 * actor.amountScale, 0.5);
  return transfers(scene, {
    times: moments(rng.int(2, 4), () => rng.logNormal(30 * HOUR_MS, 0.8)),
    next: () => ({
      accountTo,
      usd: clamp(rng.logNormal(usual, actor.amountSpread), 200, 2_000),
      transferType: domesticType(scene),
      countryTo: actor.country.code,
      purpose: rng.pick(['personal', 'investment', 'personal']),
    }),
  });
}

/** An evening of bills to firms and people; businesses pay salaries, a little under a round sum. */
function billPayer(scene: Scene): Step[] {
  const { rng, actor } = scene;
  if (actor.segment === 'business' && rng.chance(0.4)) return payroll(scene);
  return transfers(scene, {
    times: moments(rng.int(3, 6), () => rng.logNormal(3 * MINUTE_MS, 1)),
    next: () => ({
      accountTo: rng.chance(0.5) ? rng.pick(PAYEES).id : somebody(scene),
      usd: clamp(rng.logNormal(180 * actor.amountScale, actor.amountSpread + 0.3), 50, 1_500),
      transferType: domesticType(scene),
      countryTo: actor.country.code,
      purpose: rng.pick(['payment', 'invoice', 'payment', 'personal']),
    }),
  });
}

/** Honest wires of 8,000 to 9,999: to people who are paid each month, or to new contractors. */
function payroll(scene: Scene): Step[] {
  const { rng, actor } = scene;
  const known = rng.chance(0.6) ? 0.8 : 0;
  return transfers(scene, {
    times: moments(rng.int(4, 9), () => rng.logNormal(rng.pick([8 * MINUTE_MS, 3 * HOUR_MS]), 1)),
    next: () => ({
      accountTo: rng.chance(known) ? rng.pick(actor.favourites) : somebody(scene),
      usd: rng.chance(0.75) ? rng.between(8_800, 9_999) : rng.between(300, 8_800),
      transferType: rng.chance(0.8) ? 'wire' : domesticType(scene),
      countryTo: actor.country.code,
      purpose: rng.pick(['salary', 'invoice', 'business', 'payment']),
    }),
  });
}

/** A car, a deposit: a few large wires to somebody new, growing as trust does. */
function largePurchase(scene: Scene): Step[] {
  const { rng, actor } = scene;
  let usd = rng.between(300, 3_000);
  return transfers(scene, {
    times: moments(rng.int(3, 5), () => rng.logNormal(12 * HOUR_MS, 0.8)),
    next: () => {
      usd = Math.min(60_000, usd * rng.between(1.2, 2.6));
      return {
        accountTo: somebody(scene),
        usd,
        transferType: rng.pick(['wire', domesticType(scene)]),
        countryTo: actor.country.code,
        purpose: rng.pick(['personal', 'business', 'payment', 'investment']),
      };
    },
  });
}

/** An agent, an heir, a family purse: money comes in and most of it goes on within hours. */
function passingOn(scene: Scene): Step[] {
  const { rng, world, actor } = scene;
  const length = rng.int(3, 5);
  const accounts = [actor];
  while (accounts.length < length) {
    const next = rng.chance(0.5) ? world.newcomer('fintech', rng) : world.pickActor('fintech', rng);
    if (!accounts.some(({ id }) => id === next.id)) accounts.push(next);
  }
  const usd = rng.chance(0.5) ? rng.logNormal(700, 0.6) : clamp(rng.logNormal(25_000, 1.1), 1_000, 400_000);
  return chain(scene, { accounts, usd, keeps: [0.88, 1] });
}

function investment(scene: Scene): Step[] {
  const { rng, actor } = scene;
  const accountTo = rng.chance(0.5) ? favouriteOf(actor, rng) : somebody(scene);
  const countryTo = rng.chance(0.3)
    ? rng.pick(WATCHED_COUNTRIES)
    : otherCountry(rng, actor.country.code).code;
  return transfers(scene, {
    times: moments(rng.int(2, 3), () => rng.logNormal(20 * HOUR_MS, 0.8)),
    next: () => ({
      accountTo,
      usd: clamp(rng.logNormal(45_000, 0.9), 5_000, 400_000),
      transferType: rng.chance(0.7) ? 'swift' : 'wire',
      countryTo,
      purpose: rng.pick(['investment', 'business']),
    }),
  });
}

/** Family abroad. */
function remittance(scene: Scene): Step[] {
  const { rng, actor } = scene;
  const accountTo = favouriteOf(actor, rng);
  const countryTo = otherCountry(rng, actor.country.code).code;
  return transfers(scene, {
    times: moments(rng.int(2, 4), () => rng.logNormal(2 * DAY_MS, 0.6)),
    next: () => ({
      accountTo,
      usd: clamp(rng.logNormal(450, 0.6), 50, 5_000),
      transferType: rng.chance(0.6) ? 'swift' : 'wire',
      countryTo,
      purpose: 'personal',
    }),
  });
}

/** Many wires just under 10,000, each to somebody new; ordinary sums before and between them. */
function structuring(scene: Scene): Step[] {
  const { rng } = scene;
  const actor = rng.chance(0.3) ? americanStranger(scene) : scene.actor;
  const spreadMs = rng.logNormal(2 * HOUR_MS, 1.2);
  const camouflage = rng.int(1, 5);
  const under = rng.int(5, 10 - Math.max(0, camouflage - 1));
  const paid = new Set<string>();
  return transfers(
    { ...scene, actor },
    {
      times: moments(camouflage + under, () => rng.logNormal(spreadMs, 0.6)),
      next: (position) => ({
        accountTo: somebodyElse(scene, paid),
        usd: isCamouflage(position, camouflage) ? rng.logNormal(220, 0.8) : rng.between(9_000, 9_999),
        transferType: isCamouflage(position, camouflage) || rng.chance(0.2) ? 'ach' : 'wire',
        countryTo: actor.country.code,
        purpose: rng.pick(['payment', 'invoice', 'business', 'personal', 'salary']),
      }),
    },
  );
}

/** Half of the camouflage stands first, the rest at every other place. */
function isCamouflage(position: number, count: number): boolean {
  const leading = Math.ceil(count / 2);
  if (position < leading) return true;
  return (position - leading) % 2 === 1 && (position - leading + 1) / 2 <= count - leading;
}

/**
 * A chain: what an account receives it sends on within hours, less a share for its holder, so each
 * step has another actor than the one before. Nearly half move small sums.
 */
function moneyLaundering(scene: Scene): Step[] {
  const { rng, world } = scene;
  const length = rng.int(4, 8);
  const accounts: Actor[] = [rng.chance(0.6) ? scene.actor : world.stranger('fintech', rng)];
  while (accounts.length < length) {
    const roll = rng.next();
    const recruited = roll < 0.45 ? world.pickActor('fintech', rng) : world.stranger('fintech', rng);
    const next = roll > 0.75 ? world.mule(rng) : recruited;
    if (!accounts.some(({ id }) => id === next.id)) accounts.push(next);
  }
  const usd = rng.chance(0.45) ? rng.logNormal(700, 0.6) : clamp(rng.logNormal(60_000, 0.9), 8_000, 500_000);
  return chain(scene, { accounts, usd, keeps: [0.93, 0.995] });
}

/** Each account sends on what it got; small sums travel like any other payment. */
function chain(
  scene: Scene,
  plan: { readonly accounts: readonly Actor[]; usd: number; readonly keeps: readonly [number, number] },
): Step[] {
  const { rng } = scene;
  const { accounts, keeps } = plan;
  const small = plan.usd < 5_000;
  let { usd } = plan;
  const times = moments(accounts.length, () => rng.logNormal(95 * MINUTE_MS, 0.9));
  return times.flatMap((afterMs, position) => {
    const actor = at(accounts, position);
    const accountTo = accounts[position + 1]?.id ?? somebody(scene);
    if (position > 0) usd *= rng.between(...keeps);
    const way = small ? nearby({ ...scene, actor }) : farAway(scene);
    return transfers({ ...scene, actor }, { times: [afterMs], next: () => ({ accountTo, usd, ...way }) });
  });
}

/**
 * A made-up person: a new account that pays a bill or two like anybody and then sends fast growing
 * sums, each to somebody new.
 */
function syntheticIdentity(scene: Scene): Step[] {
  const { rng } = scene;
  const actor = americanStranger(scene);
  const quiet = rng.int(1, 4);
  let usd = rng.logNormal(160, 0.6);
  const paid = new Set<string>();
  return transfers(
    { ...scene, actor },
    {
      times: moments(quiet + rng.int(3, 5), () => rng.logNormal(14 * HOUR_MS, 0.6)),
      next: (position) => {
        if (position === quiet) usd = rng.between(400, 2_500);
        else if (position > quiet) usd = Math.min(50_000, usd * rng.between(1.4, 2.4));
        return {
          accountTo: somebodyElse(scene, paid),
          usd: position < quiet ? usd * rng.between(0.7, 1.3) : usd,
          transferType: position < quiet ? 'ach' : rng.pick(['wire', 'ach']),
          countryTo: actor.country.code,
          purpose: rng.pick(['personal', 'business', 'payment', 'investment']),
        };
      },
    },
  );
}

function transfers(
  scene: Scene,
  plan: { readonly times: readonly number[]; readonly next: (position: number) => Transfer },
): Step[] {
  const { actor } = scene;
  const session = sessionOf(scene);
  return plan.times.map((afterMs, position) => {
    const { usd, ...transfer } = plan.next(position);
    const draft: FintechDraft = {
      domain: 'fintech',
      actorId: actor.id,
      amountMinor: minorFromUsd(usd, actor.currency),
      currency: actor.currency,
      countryFrom: actor.country.code,
      ip: session.ip,
      deviceId: session.deviceId,
      ...transfer,
    };
    return { afterMs, draft };
  });
}

function isAmerican({ country }: Actor): boolean {
  return country.code === 'US';
}

function americanStranger({ world, rng }: Scene): Actor {
  for (;;) {
    const stranger = rng.chance(0.4) ? world.stranger('fintech', rng) : world.newcomer('fintech', rng);
    if (isAmerican(stranger)) return stranger;
  }
}

function domesticType({ actor, rng }: Scene): string {
  if (rng.chance(0.08)) return 'wire';
  return actor.currency === 'EUR' || actor.currency === 'CHF' ? 'sepa' : 'ach';
}

/** Often another customer, so that people here are paid as well as paying. */
function somebody({ world, rng }: Scene): string {
  return rng.chance(0.55) ? world.pickActor('fintech', rng).id : newPayee(rng);
}

function somebodyElse(scene: Scene, paid: Set<string>): string {
  for (;;) {
    const account = somebody(scene);
    if (paid.has(account)) continue;
    paid.add(account);
    return account;
  }
}

function nearby(scene: Scene): Pick<Transfer, 'transferType' | 'countryTo' | 'purpose'> {
  const { rng, actor } = scene;
  return {
    transferType: domesticType(scene),
    countryTo: actor.country.code,
    purpose: rng.pick(['personal', 'payment']),
  };
}

function farAway({ rng }: Scene): Pick<Transfer, 'transferType' | 'countryTo' | 'purpose'> {
  const watched = rng.chance(0.36);
  return {
    transferType: rng.chance(0.7) ? 'swift' : 'wire',
    countryTo: watched ? rng.pick(WATCHED_COUNTRIES) : rng.pick(COUNTRIES).code,
    purpose: rng.pick(['business', 'investment']),
  };
}
