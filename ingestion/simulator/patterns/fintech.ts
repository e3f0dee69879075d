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
  if (rng.chance(0.05)) return investment(scene);
  if (rng.chance(0.05)) return remittance(scene);
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
      accountTo: rng.chance(0.5) ? rng.pick(PAYEES).id : newPayee(rng),
      usd: clamp(rng.logNormal(180 * actor.amountScale, actor.amountSpread + 0.3), 50, 1_500),
      transferType: domesticType(scene),
      countryTo: actor.country.code,
      purpose: rng.pick(['payment', 'invoice', 'payment', 'personal']),
    }),
  });
}

/** Honest wires of 9,000 to 9,999, mostly to people who are paid each month. */
function payroll(scene: Scene): Step[] {
  const { rng, actor } = scene;
  const grade = rng.between(9_000, 9_900);
  return transfers(scene, {
    times: moments(rng.int(4, 9), () => rng.logNormal(8 * MINUTE_MS, 1)),
    next: () => ({
      accountTo: rng.chance(0.75) ? rng.pick(actor.favourites) : newPayee(rng),
      usd: clamp(rng.logNormal(grade, 0.03), 8_000, 12_000),
      transferType: rng.chance(0.8) ? 'wire' : domesticType(scene),
      countryTo: actor.country.code,
      purpose: rng.pick(['salary', 'salary', 'business']),
    }),
  });
}

function investment(scene: Scene): Step[] {
  const { rng, actor } = scene;
  const accountTo = rng.chance(0.7) ? favouriteOf(actor, rng) : newPayee(rng);
  const countryTo = rng.chance(0.3)
    ? rng.pick(WATCHED_COUNTRIES)
    : otherCountry(rng, actor.country.code).code;
  return transfers(scene, {
    times: moments(rng.int(2, 3), () => rng.logNormal(20 * HOUR_MS, 0.8)),
    next: () => ({
      accountTo,
      usd: clamp(rng.logNormal(55_000, 0.9), 8_000, 400_000),
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

/** Many wires just under 10,000, each to somebody new; a few smaller ones between them. */
function structuring(scene: Scene): Step[] {
  const { rng } = scene;
  const actor = rng.chance(0.4) ? americanStranger(scene) : scene.actor;
  const spreadMs = rng.logNormal(4 * HOUR_MS, 1);
  const count = rng.int(5, 10);
  const smaller = count >= 7 ? rng.int(0, 2) : 0;
  return transfers(
    { ...scene, actor },
    {
      times: moments(count, () => rng.logNormal(spreadMs, 0.6)),
      next: (position) => ({
        accountTo: newPayee(rng),
        usd: position < smaller ? rng.between(2_000, 9_000) : rng.between(9_300, 9_999),
        transferType: rng.chance(0.85) ? 'wire' : 'ach',
        countryTo: actor.country.code,
        purpose: rng.pick(['payment', 'invoice', 'business', 'personal', 'salary']),
      }),
    },
  );
}

/**
 * A chain: what an account receives it sends on within hours, less a share for its holder, so each
 * step has another actor than the one before.
 */
function moneyLaundering(scene: Scene): Step[] {
  const { rng, world } = scene;
  const length = rng.int(4, 8);
  const first = rng.chance(0.5) ? scene.actor : world.stranger('fintech', rng);
  const accounts: Actor[] = [first];
  while (accounts.length < length) {
    const next = rng.chance(0.6) ? world.mule(rng) : world.stranger('fintech', rng);
    if (!accounts.some(({ id }) => id === next.id)) accounts.push(next);
  }
  let usd = clamp(rng.logNormal(90_000, 0.7), 50_000, 500_000);
  const times = moments(length, () => rng.logNormal(95 * MINUTE_MS, 0.8));
  return times.flatMap((afterMs, position) => {
    const actor = at(accounts, position);
    const accountTo = position + 1 < length ? at(accounts, position + 1).id : newPayee(rng);
    if (position > 0) usd *= rng.between(0.94, 0.99);
    return transfers(
      { ...scene, actor },
      { times: [afterMs], next: () => ({ accountTo, usd, ...farAway(scene) }) },
    );
  });
}

/** A made-up person: a new account whose transfers grow fast, each to somebody new. */
function syntheticIdentity(scene: Scene): Step[] {
  const { rng } = scene;
  const actor = americanStranger(scene);
  let usd = rng.between(600, 2_500);
  return transfers(
    { ...scene, actor },
    {
      times: moments(rng.int(4, 6), () => rng.logNormal(14 * HOUR_MS, 0.6)),
      next: (position) => {
        if (position > 0) usd = Math.min(50_000, usd * rng.between(1.6, 2.6));
        return {
          accountTo: newPayee(rng),
          usd,
          transferType: rng.pick(['wire', 'ach']),
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
    const stranger = world.stranger('fintech', rng);
    if (isAmerican(stranger)) return stranger;
  }
}

function domesticType({ actor, rng }: Scene): string {
  if (rng.chance(0.08)) return 'wire';
  return actor.currency === 'EUR' || actor.currency === 'CHF' ? 'sepa' : 'ach';
}

function farAway({ rng }: Scene): Pick<Transfer, 'transferType' | 'countryTo' | 'purpose'> {
  const watched = rng.chance(0.36);
  return {
    transferType: rng.chance(0.7) ? 'swift' : 'wire',
    countryTo: watched ? rng.pick(WATCHED_COUNTRIES) : rng.pick(COUNTRIES).code,
    purpose: rng.pick(['business', 'investment']),
  };
}
