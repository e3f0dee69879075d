import { paymentContent } from '../../infra/content.ts';
import { decisions } from '../../ingestion/contracts/decisions.ts';
import { labels } from '../../ingestion/contracts/labels.ts';
import { txEcommerce } from '../../ingestion/contracts/txEcommerce.ts';
import { txFintech } from '../../ingestion/contracts/txFintech.ts';
import { txGaming } from '../../ingestion/contracts/txGaming.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { loadProject } from '../../transforms/project.ts';
import type { RunReport } from '../../transforms/report.ts';
import { runModels } from '../../transforms/run.ts';
import { type BronzeRecord, landRecords } from './bronzeRows.ts';
import { depsOf } from './support.ts';

/** Records of the payment domains for tests: what a test does not say is ordinary. */

export interface Given {
  readonly id: string;
  readonly at: string;
  /** When it arrived; a second after it happened by default. */
  readonly arrivedAt?: string;
  readonly partition?: number;
  readonly value?: Readonly<Record<string, unknown>>;
}

export type Land = (lake: Lake, ...given: readonly Given[]) => Promise<void>;

let offset = 0;

/** Every record gets the next offset, whatever its topic: places are in the order of landing. */
function lander(
  contract: Parameters<typeof landRecords>[1],
  ordinary: (given: Given) => Record<string, unknown>,
): Land {
  return (lake, ...given) =>
    landRecords(
      lake,
      contract,
      given.map((one) => recordOf(one, ordinary(one))),
    );
}

export const landTransfers: Land = lander(txFintech, ({ id, at }) => ({
  transaction_id: id,
  timestamp: at,
  account_from: 'ann',
  account_to: 'bob',
  amount: 10,
  currency: 'USD',
  transfer_type: 'sepa',
  country_from: 'DE',
  country_to: 'DE',
  purpose: 'rent',
  ip_address: '10.0.0.1',
  device_id: 'phone',
}));

export const landPurchases: Land = lander(txGaming, ({ id, at }) => ({
  transaction_id: id,
  timestamp: at,
  player_id: 'pat',
  game_id: 'FortniteClone',
  item_type: 'skin',
  item_name: 'hat',
  amount: 5,
  currency: 'USD',
  payment_method: 'paypal',
  instrument_id: 'card',
  ip_address: '10.0.0.2',
  device_id: 'console',
  session_length_sec: 60,
}));

const HOME = { street: 'x', city: 'y', state: null, zip: '1', country: 'FR' };

export const landOrders: Land = lander(txEcommerce, ({ id, at }) => ({
  transaction_id: id,
  timestamp: at,
  user_id: 'uma',
  merchant_id: 'nobody-knows',
  cart_items: [{ product_id: 'p', category: 'books', price: 1.1, quantity: 3 }],
  currency: 'USD',
  payment_method: 'credit_card',
  instrument_id: 'card',
  shipping_address: HOME,
  billing_address: HOME,
  ip_address: '10.0.0.3',
  device_fingerprint: 'laptop',
  session_duration_sec: 30,
}));

export const landLabels: Land = lander(labels, ({ id, at }) => ({
  label_id: `L-${id}`,
  revision: 1,
  event_id: id,
  label: 'fraud',
  fraud_type: 'fraud_takeover',
  source: 'chargeback',
  label_available_at: at,
}));

const paymentProject = await loadProject(paymentContent.transformsDir);

/** Runs all models that ship, and demands that none of them failed. */
export async function runAll(lake: Lake): Promise<RunReport> {
  const report = await runModels(depsOf(lake, paymentProject));
  const errors = report.summary.models.flatMap((m) => m.error ?? []);
  if (errors.length > 0) throw new Error(errors.join('\n'));
  return report;
}

/** Every topic's table without a record, so that no model waits for one. */
export async function landNothing(lake: Lake): Promise<void> {
  for (const contract of [txGaming, txFintech, txEcommerce, labels, decisions])
    await landRecords(lake, contract, []);
}

// === Helpers ===

function recordOf(given: Given, ordinary: Readonly<Record<string, unknown>>): BronzeRecord {
  offset += 1;
  const arrivedAt = given.arrivedAt ?? new Date(Date.parse(given.at) + 1_000).toISOString();
  const { partition = 0 } = given;
  return { offset, partition, arrivedAt, value: { ...ordinary, ...given.value } };
}
