import { paymentContent } from '../../infra/content.ts';
import { openFeatures } from '../../infra/features.ts';
import type { Contract } from '../../ingestion/contract.ts';
import type { RawRecord } from '../../ingestion/decoder.ts';
import { createCounters } from '../../scoring/counters.ts';
import type { DeciderParts } from '../../scoring/decideBatch.ts';
import { createDecider } from '../../scoring/decider.ts';
import { createLane, type Lane } from '../../scoring/lane.ts';
import type { TreeModel } from '../../scoring/training/treeModel.ts';
import type { FeatureSet } from '../../transforms/featureSet.ts';
import type { GoldStatus, GoldView } from '../../transforms/goldView.ts';
import { cardFeatures, filesOf, type MadeModel, stump, treesJson } from './modelFiles.ts';

export const NOW_MS = Date.UTC(2026, 0, 15, 12);
export const PLACE = { topic: 'tx.fintech', topicId: 'tttttttttttttttttttttt', partition: 3 };
export const sets = await openFeatures(paymentContent);
export const fintech = sets.find(({ source }) => source.name === 'fintech') as FeatureSet;
export const contractOf = (set: FeatureSet) =>
  paymentContent.contracts.find(({ table }) => table === set.source.table) as Contract;
export const { policy } = paymentContent.scoring;

const FEATURES = cardFeatures(sets);
export const AMOUNT = FEATURES.findIndex(({ name }) => name === 'amt_log');
const [REVIEW_FROM, DECLINE_FROM] = [Math.log(101), Math.log(10_001)].map(Math.fround) as [number, number];

/**
 * Three classes by the amount: below 100 regular (p_fraud .09), below 10,000 nobody knows (.67), from there
 * on `burst` (.98).
 */
export const BY_AMOUNT: TreeModel = {
  featureCount: FEATURES.length,
  baseMargins: [0, 0, 0],
  trees: [stump(0, AMOUNT, REVIEW_FROM, [3, 0]), stump(1, AMOUNT, DECLINE_FROM, [0, 4])],
};

/** Rows of nothing but an amount, with the probabilities that follow from the leaves by hand. */
export const SAMPLES = (
  [
    [1, [3, 0, 0]],
    [5, [0, 0, 0]],
    [12, [0, 4, 0]],
  ] as const
).map(([amount, margins]) => {
  const powers = margins.map(Math.exp);
  const sum = powers.reduce((total, power) => total + power, 0);
  return { values: rowOf({ [AMOUNT]: amount }), probabilities: powers.map((power) => power / sum) };
});

export function rowOf(values: Readonly<Record<number, number>>): Float32Array {
  const row = new Float32Array(FEATURES.length).fill(Number.NaN);
  for (const [feature, value] of Object.entries(values)) row[Number(feature)] = value;
  return row;
}

export function amountFiles(changes: Partial<MadeModel> = {}) {
  const made = { features: FEATURES, classNames: ['regular', 'burst', 'gap'], samples: SAMPLES };
  return filesOf({ ...made, trees: treesJson(BY_AMOUNT), ...changes });
}

/** Marts that say the same of everybody: nothing is known, or it is 1. */
export function martsOf(status: GoldStatus, closedToMs = NOW_MS): GoldView {
  return {
    closedToMs,
    read: (_entity, _id, _asOfMs, { row }) => {
      row.fill(status === 'PRESENT' || status === 'STALE' ? 1 : Number.NaN);
      return status;
    },
  };
}

export function openLane({ set = fintech, gold = martsOf('NOT_FOUND') as GoldView | undefined } = {}): Lane {
  const contract = contractOf(set);
  return createLane({ place: { ...PLACE, topic: contract.topic }, set, contract, gold });
}

/** A good transfer at `NOW_MS` that arrived at once. */
export function transfer(fields: Readonly<Record<string, unknown>> = {}, atMs = NOW_MS): RawRecord {
  const value = {
    transaction_id: 'ABCDEFGH12345678',
    timestamp: new Date(atMs).toISOString(),
    account_from: 'actor-1',
    account_to: 'actor-2',
    amount: 10,
    currency: 'USD',
    transfer_type: 'wire',
    country_from: 'DE',
    country_to: 'FR',
    purpose: 'rent',
    ip_address: '10.0.0.1',
    device_id: 'device-1',
    ...fields,
  };
  const key = Buffer.from(String(value.account_from));
  return { key, value: Buffer.from(JSON.stringify(value)), arrivedAtMs: atMs };
}

/** A decider at `NOW_MS` with what it counted and told. */
export function openDecider(changes: Partial<DeciderParts> = {}) {
  const counters = createCounters();
  const errors: object[] = [];
  const log = { error: (fields: object) => void errors.push(fields) };
  const decider = createDecider({
    policy,
    clock: { nowMs: () => NOW_MS },
    counters,
    log,
    limits: { deadlineMs: 1_000 },
    ...changes,
  });
  return { decider, counters, errors };
}
