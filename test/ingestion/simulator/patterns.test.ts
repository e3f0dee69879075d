import { describe, expect, test } from 'vitest';
import { GAME_ITEMS } from '../../../ingestion/simulator/catalog.ts';
import { totalMinor } from '../../../ingestion/simulator/event.ts';
import { WATCHED_COUNTRIES } from '../../../ingestion/simulator/geography.ts';
import { usdFromMinor } from '../../../ingestion/simulator/money.ts';
import { draftsOf, gapsOf, sequencesOf, share } from './simulated.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function relativeSpread(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) / mean;
}

function usesOwnDevice({ actor, steps }: ReturnType<typeof sequencesOf>[number]): boolean {
  return steps.every(({ draft }) => actor.devices.some(({ id }) => id === draft.deviceId));
}

describe('gaming', () => {
  test('a casual player buys two or three things within the price range of each', () => {
    for (const { actor, steps } of sequencesOf('regular_casual_player')) {
      const drafts = draftsOf(steps, 'gaming');
      expect(drafts.length).toBeGreaterThanOrEqual(2);
      expect(drafts.length).toBeLessThanOrEqual(3);
      for (const { itemType, amountMinor, actorId } of drafts) {
        const { from, to } = GAME_ITEMS[itemType as keyof typeof GAME_ITEMS];
        expect(amountMinor).toBeGreaterThanOrEqual(Math.round(from * 100) - 100);
        expect(amountMinor).toBeLessThanOrEqual(Math.round(to * 100) + 100);
        expect(actorId).toBe(actor.id);
      }
    }
  });

  test('a whale makes four to eight purchases of 20 and more on one visit', () => {
    for (const { steps } of sequencesOf('regular_whale_spender')) {
      const drafts = draftsOf(steps, 'gaming');
      expect(drafts.length).toBeGreaterThanOrEqual(4);
      expect(drafts.length).toBeLessThanOrEqual(8);
      expect(Math.min(...drafts.map(({ amountMinor }) => amountMinor))).toBeGreaterThan(1_800);
      expect(new Set(drafts.map(({ deviceId }) => deviceId)).size).toBe(1);
    }
  });

  test('a grinder plays for hours and spends little, or lets a machine top up the purse', () => {
    const sequences = sequencesOf('regular_grinder');
    for (const { steps } of sequences) {
      expect(Math.max(...draftsOf(steps, 'gaming').map(({ amountMinor }) => amountMinor))).toBeLessThan(
        1_100,
      );
    }
    const long = share(sequences, ({ steps }) =>
      draftsOf(steps, 'gaming').every((d) => d.sessionSec >= 3_600),
    );
    expect(long).toBeGreaterThan(0.5);
    expect(long).toBeLessThan(0.8);
  });

  test('a takeover is a burst, mostly from a new device and from abroad; some thieves hide', () => {
    const sequences = sequencesOf('fraud_account_takeover');
    for (const { actor, steps } of sequences) {
      const drafts = draftsOf(steps, 'gaming');
      expect(drafts.length).toBeGreaterThanOrEqual(3);
      expect(drafts.every(({ actorId }) => actorId === actor.id)).toBe(true);
      expect(Math.max(...gapsOf(steps))).toBeLessThan(HOUR);
    }
    const newDevice = share(sequences, ({ actor, steps }) => {
      const known = actor.devices.map(({ id }) => id);
      return draftsOf(steps, 'gaming').every(({ deviceId }) => !known.includes(deviceId));
    });
    const abroad = share(sequences, ({ actor, steps }) =>
      draftsOf(steps, 'gaming').every(({ ip }) => ip.country !== actor.country.code),
    );
    expect(newDevice).toBeGreaterThan(0.5);
    expect(newDevice).toBeLessThan(0.8);
    expect(abroad).toBeGreaterThan(0.3);
    const honest = share(sequencesOf('regular_casual_player'), ({ actor, steps }) =>
      draftsOf(steps, 'gaming').every(({ ip }) => ip.country !== actor.country.code),
    );
    expect(honest).toBeGreaterThan(0);
    expect(honest).toBeLessThan(abroad / 4);
  });

  test('a farm buys small currency packs at even gaps', () => {
    for (const { steps } of sequencesOf('fraud_gold_farming')) {
      const drafts = draftsOf(steps, 'gaming');
      expect(drafts.length).toBeGreaterThanOrEqual(5);
      expect(drafts.every(({ itemType, amountMinor }) => itemType === 'currency' && amountMinor < 500)).toBe(
        true,
      );
      expect(relativeSpread(gapsOf(steps))).toBeLessThan(0.05);
    }
    const uneven = sequencesOf('regular_grinder').map(({ steps }) => relativeSpread(gapsOf(steps)));
    expect(share(uneven, (spread) => spread > 0.05)).toBeGreaterThan(0.5);
  });

  test('chargeback fraud comes from people with a history of it, by card, and mostly from home', () => {
    const sequences = sequencesOf('fraud_chargeback_fraud');
    for (const { actor, steps } of sequences) {
      expect(actor.refunder).toBe(true);
      expect(draftsOf(steps, 'gaming').every(({ paymentMethod }) => paymentMethod === 'credit_card')).toBe(
        true,
      );
    }
    expect(share(sequences, usesOwnDevice)).toBeGreaterThan(0.9);
  });
});

describe('fintech', () => {
  test('a saver pays one account of the same country again and again, with exceptions', () => {
    const sequences = sequencesOf('regular_saver', 400).map(({ steps }) => draftsOf(steps, 'fintech'));
    const plain = share(
      sequences,
      (drafts) =>
        new Set(drafts.map(({ accountTo }) => accountTo)).size === 1 &&
        drafts.every(({ countryFrom, countryTo }) => countryFrom === countryTo),
    );
    expect(plain).toBeGreaterThan(0.7);
    expect(plain).toBeLessThan(0.95);
  });

  test('a bill payer pays several accounts of the same country', () => {
    for (const { steps } of sequencesOf('regular_bill_payer')) {
      const drafts = draftsOf(steps, 'fintech');
      expect(drafts.length).toBeGreaterThanOrEqual(3);
      expect(drafts.every(({ countryFrom, countryTo }) => countryFrom === countryTo)).toBe(true);
      expect(new Set(drafts.map(({ accountTo }) => accountTo)).size).toBeGreaterThan(1);
    }
  });

  test('structuring sends five and more amounts just under 10,000, each to somebody else', () => {
    for (const { steps } of sequencesOf('fraud_structuring')) {
      const drafts = draftsOf(steps, 'fintech');
      expect(drafts.length).toBeGreaterThanOrEqual(5);
      expect(new Set(drafts.map(({ accountTo }) => accountTo)).size).toBe(drafts.length);
      expect(drafts.every(({ amountMinor }) => amountMinor < 1_000_000)).toBe(true);
      expect(drafts.filter(({ amountMinor }) => amountMinor >= 900_000).length).toBeGreaterThanOrEqual(5);
    }
  });

  test('laundering is a chain: each account sends on most of what the one before sent it', () => {
    const sequences = sequencesOf('fraud_money_laundering');
    for (const { steps } of sequences) {
      const drafts = draftsOf(steps, 'fintech');
      expect(drafts.length).toBeGreaterThanOrEqual(4);
      drafts.slice(1).forEach((draft, index) => {
        const before = drafts[index]!;
        expect(draft.actorId).toBe(before.accountTo);
        const kept =
          usdFromMinor(draft.amountMinor, draft.currency) / usdFromMinor(before.amountMinor, before.currency);
        expect(kept).toBeGreaterThan(0.92);
        expect(kept).toBeLessThan(1);
      });
    }
    const watched = share(
      sequences.flatMap(({ steps }) => draftsOf(steps, 'fintech')),
      ({ countryTo }) => (WATCHED_COUNTRIES as readonly string[]).includes(countryTo),
    );
    expect(watched).toBeGreaterThan(0.1);
    expect(watched).toBeLessThan(0.4);
  });

  test('a synthetic identity is a new account whose amounts ramp up fast', () => {
    for (const { actor, steps } of sequencesOf('fraud_synthetic_identity')) {
      const drafts = draftsOf(steps, 'fintech');
      expect(drafts.every(({ actorId }) => actorId !== actor.id)).toBe(true);
      const ramp = drafts.slice(-3).map(({ amountMinor }) => amountMinor);
      expect(ramp[1]).toBeGreaterThan(1.3 * ramp[0]!);
      expect(ramp[2]).toBeGreaterThanOrEqual(Math.min(5_000_000, 1.3 * ramp[1]!));
      expect(new Set(drafts.map(({ accountTo }) => accountTo)).size).toBe(drafts.length);
      expect(steps.at(-1)!.afterMs).toBeGreaterThan(HOUR);
    }
  });
});

describe('ecommerce', () => {
  test('a shopper fills a cart and has it sent home, or to somebody as a gift', () => {
    const sequences = sequencesOf('regular_shopper', 400).map(({ steps }) => draftsOf(steps, 'ecommerce'));
    expect(share(sequences, (drafts) => drafts.length <= 3)).toBeGreaterThan(0.95);
    expect(sequences.flat().every(({ cart }) => cart.length >= 1 && cart.length <= 4)).toBe(true);
    const home = share(sequences, (drafts) => drafts.every(({ billing, shipping }) => billing === shipping));
    expect(home).toBeGreaterThan(0.65);
    expect(home).toBeLessThan(0.9);
  });

  test('a window shopper stays long and buys one or two things', () => {
    for (const { steps } of sequencesOf('regular_window_shopper')) {
      const drafts = draftsOf(steps, 'ecommerce');
      expect(drafts.every(({ cart, sessionSec }) => cart.length <= 2 && sessionSec >= 600)).toBe(true);
    }
  });

  test('card testing is many small orders and then a large one on one stolen card', () => {
    const sequences = sequencesOf('fraud_card_testing');
    for (const { steps } of sequences) {
      const drafts = draftsOf(steps, 'ecommerce');
      expect(drafts.length).toBeGreaterThanOrEqual(5);
      expect(new Set(drafts.map(({ instrumentId }) => instrumentId)).size).toBe(1);
      const totals = drafts.map((draft) => usdFromMinor(totalMinor(draft), draft.currency));
      expect(totals.at(-1)).toBeGreaterThan(2.5 * Math.max(...totals.slice(0, -1)));
      expect(Math.max(...totals.slice(0, -1))).toBeLessThan(155);
    }
    const stolen = share(sequences, ({ actor, steps }) => {
      const own = actor.instruments.map(({ id }) => id);
      return draftsOf(steps, 'ecommerce').every(({ instrumentId }) => !own.includes(instrumentId));
    });
    expect(stolen).toBeGreaterThan(0.55);
  });

  test('friendly fraud looks like any order for home; only who orders differs', () => {
    const sequences = sequencesOf('fraud_friendly_fraud');
    for (const { actor, steps } of sequences) {
      expect(actor.refunder).toBe(true);
      for (const { billing, shipping, cart } of draftsOf(steps, 'ecommerce')) {
        expect(shipping).toBe(billing);
        expect(cart.map(({ category }) => category)).toEqual(['electronics']);
      }
    }
    expect(share(sequences, usesOwnDevice)).toBeGreaterThan(0.9);
  });

  test('promo abuse is a row of sibling accounts on one device, address and network', () => {
    for (const { steps } of sequencesOf('fraud_promo_abuse')) {
      const drafts = draftsOf(steps, 'ecommerce');
      const base = drafts[0]!.actorId.replace(/_0$/, '');
      expect(drafts.map(({ actorId }) => actorId)).toEqual(drafts.map((_, n) => `${base}_${n}`));
      for (const same of [
        drafts.map(({ deviceId }) => deviceId),
        drafts.map(({ ip }) => ip.ip),
        drafts.map(({ shipping }) => shipping.json),
      ]) {
        expect(new Set(same).size).toBe(1);
      }
      expect(new Set(drafts.map(({ instrumentId }) => instrumentId)).size).toBe(drafts.length);
    }
  });
});
