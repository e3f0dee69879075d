import type { ProductCategory } from './catalog.ts';
import type { Address, IpAddress } from './geography.ts';
import { amountText, type Currency } from './money.ts';

/** What happens, before it has an id and a time. Amounts are in minor units of the currency. */
export type Draft = GamingDraft | FintechDraft | EcommerceDraft;

export interface GamingDraft {
  readonly domain: 'gaming';
  readonly actorId: string;
  readonly gameId: string;
  readonly itemType: string;
  readonly itemName: string;
  readonly amountMinor: number;
  readonly currency: Currency;
  readonly paymentMethod: string;
  readonly instrumentId: string;
  readonly ip: IpAddress;
  /** The look-up of the address failed. */
  readonly countryUnknown: boolean;
  readonly deviceId: string;
  readonly sessionSec: number;
}

export interface FintechDraft {
  readonly domain: 'fintech';
  readonly actorId: string;
  readonly accountTo: string;
  readonly amountMinor: number;
  readonly currency: Currency;
  readonly transferType: string;
  readonly countryFrom: string;
  readonly countryTo: string;
  readonly purpose: string;
  readonly ip: IpAddress;
  readonly deviceId: string;
}

export interface CartItem {
  readonly productId: string;
  readonly category: ProductCategory;
  readonly priceMinor: number;
  readonly quantity: number;
}

export interface EcommerceDraft {
  readonly domain: 'ecommerce';
  readonly actorId: string;
  readonly merchantId: string;
  readonly cart: readonly CartItem[];
  readonly currency: Currency;
  readonly paymentMethod: string;
  readonly instrumentId: string;
  readonly shipping: Address;
  readonly billing: Address;
  readonly ip: IpAddress;
  readonly deviceId: string;
  readonly sessionSec: number;
}

/** Compact JSON in the contract's order of fields. @param stamp the id and the time (ISO, UTC, ms) */
export function renderEvent(draft: Draft, stamp: { eventId: string; eventTimeMs: number }): string {
  const head = `{"transaction_id":"${stamp.eventId}","timestamp":"${isoMs(stamp.eventTimeMs)}"`;
  switch (draft.domain) {
    case 'gaming':
      return head + gamingFields(draft);
    case 'fintech':
      return head + fintechFields(draft);
    case 'ecommerce':
      return head + ecommerceFields(draft);
  }
}

/** The amounts multiplied by `factor`, in whole minor units and never below one. Pure. */
export function scaleAmounts(draft: Draft, factor: number): Draft {
  const scaled = (minor: number) => Math.max(1, Math.round(minor * factor));
  if (draft.domain !== 'ecommerce') return { ...draft, amountMinor: scaled(draft.amountMinor) };
  const cart = draft.cart.map((item) => ({ ...item, priceMinor: scaled(item.priceMinor) }));
  return { ...draft, cart };
}

/** What is paid, in minor units of the currency. */
export function totalMinor(draft: Draft): number {
  if (draft.domain !== 'ecommerce') return draft.amountMinor;
  return draft.cart.reduce((sum, { priceMinor, quantity }) => sum + priceMinor * quantity, 0);
}

/** `2026-01-31T09:30:00.000Z`. */
export function isoMs(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

// === Helpers ===

// hot path: every string here is made by the simulator and needs no escapes
function gamingFields(d: GamingDraft): string {
  const country = d.countryUnknown ? '' : `,"country":"${d.ip.country}"`;
  return (
    `,"player_id":"${d.actorId}","game_id":"${d.gameId}","item_type":"${d.itemType}"` +
    `,"item_name":"${d.itemName}","amount":${amountText(d.amountMinor, d.currency)}` +
    `,"currency":"${d.currency}","payment_method":"${d.paymentMethod}"` +
    `,"instrument_id":"${d.instrumentId}","ip_address":"${d.ip.ip}"${country}` +
    `,"device_id":"${d.deviceId}","session_length_sec":${d.sessionSec}}`
  );
}

function fintechFields(d: FintechDraft): string {
  return (
    `,"account_from":"${d.actorId}","account_to":"${d.accountTo}"` +
    `,"amount":${amountText(d.amountMinor, d.currency)},"currency":"${d.currency}"` +
    `,"transfer_type":"${d.transferType}","country_from":"${d.countryFrom}"` +
    `,"country_to":"${d.countryTo}","purpose":"${d.purpose}"` +
    `,"ip_address":"${d.ip.ip}","device_id":"${d.deviceId}"}`
  );
}

function ecommerceFields(d: EcommerceDraft): string {
  const items = d.cart.map(
    ({ productId, category, priceMinor, quantity }) =>
      `{"product_id":"${productId}","category":"${category}"` +
      `,"price":${amountText(priceMinor, d.currency)},"quantity":${quantity}}`,
  );
  return (
    `,"user_id":"${d.actorId}","merchant_id":"${d.merchantId}","cart_items":[${items.join(',')}]` +
    `,"currency":"${d.currency}","payment_method":"${d.paymentMethod}","instrument_id":"${d.instrumentId}"` +
    `,"shipping_address":${d.shipping.json},"billing_address":${d.billing.json}` +
    `,"ip_address":"${d.ip.ip}","device_fingerprint":"${d.deviceId}"` +
    `,"session_duration_sec":${d.sessionSec}}`
  );
}
