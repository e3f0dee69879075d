import { z } from 'zod';
import { fault } from '../infra/core/errorCatalog.ts';
import type { ModelCard } from './modelCard.ts';
import { GATE_NAMES } from './training/gates.ts';

/** A card as JSON. Numbers that JSON does not have are written as text: a recall of no rows is `"NaN"`. Pure. */
export function encodeCard(card: ModelCard): Uint8Array {
  const text = JSON.stringify(
    card,
    (_, value) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value),
    1,
  );
  return new TextEncoder().encode(`${text}\n`);
}

/** Reads and checks a card. Pure. @throws MODEL_CORRUPT */
export function decodeCard(version: string, bytes: Uint8Array): ModelCard {
  let parsed: ModelCard;
  try {
    parsed = schema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    throw fault('MODEL_CORRUPT', { version, detail: `its card cannot be read: ${String(error)}` }, error);
  }
  if (parsed.version === version) return parsed;
  throw fault('MODEL_CORRUPT', { version, detail: `its card is that of ${parsed.version}` });
}

// === Helpers ===

const number = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)]);
const numbers = z.array(number);
const slice = z.object({ from: z.string(), to: z.string(), rows: z.number(), positives: z.number() });
const bins = z.object({ missing: z.number(), zero: z.number(), edges: numbers, counts: numbers });
const ranking = z.object({
  averagePrecision: number,
  rocAuc: number,
  recallAtFpr: z.object({ '0.001': number, '0.01': number, '0.05': number }),
});
const alerts = z.object({
  alerts: z.number(),
  alertRate: number,
  precision: number,
  recall: number,
  perClass: z.array(z.object({ name: z.string(), support: z.number(), recall: number })),
});

const schema: z.ZodType<ModelCard> = z.object({
  format: z.literal(1),
  version: z.string(),
  createdAt: z.string(),
  data: z.object({
    release: z.number().int(),
    until: z.string(),
    extractHash: z.string(),
    slices: z.object({ training: slice, calibration: slice, validation: slice }),
    vectors: z.object({ backfilled: z.number(), fromDecisions: z.number() }),
  }),
  features: z.array(z.object({ name: z.string(), hashes: z.record(z.string(), z.string()) })),
  classNames: z.array(z.string()),
  onnxHash: z.string(),
  treesHash: z.string(),
  trainer: z.record(z.string(), z.union([z.string(), z.number()])),
  calibration: z.object({ scores: numbers, probabilities: numbers }),
  thresholds: z.object({ review: number, decline: number.nullable() }),
  budgets: z.array(z.object({ name: z.string(), threshold: number, onValidation: alerts })),
  validation: z.object({
    prevalence: number,
    model: ranking,
    baselines: z.object({ logistic: ranking, rules: ranking }),
    brier: z.object({ score: number, calibrated: number }),
    topBands: z.array(z.object({ rows: z.number(), said: number, came: number })),
    topCalibrationError: number,
  }),
  parity: z.object({
    rows: z.number(),
    edgeRows: z.number(),
    maxDifference: number,
    labelDifferences: z.number(),
  }),
  gates: z.array(
    z.object({
      name: z.enum(GATE_NAMES),
      passed: z.boolean(),
      checks: z.array(z.object({ passed: z.boolean(), reason: z.string() })),
    }),
  ),
  bins: z.object({ features: z.array(bins), score: bins }),
  sampleRows: z.array(z.object({ vector: z.string(), probabilities: numbers })),
});
