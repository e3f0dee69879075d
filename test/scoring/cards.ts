import { createHash } from 'node:crypto';
import type { ModelCard, ModelFiles } from '../../scoring/modelCard.ts';

const RANKING = {
  averagePrecision: 0.5,
  rocAuc: 0.9,
  recallAtFpr: { '0.001': 0.1, '0.01': 0.2, '0.05': 0.3 },
};
const SLICE = { from: '2026-01-01T00:00:00.000Z', to: '2026-01-02T00:00:00.000Z', rows: 10, positives: 2 };

/** Files of a version whose bytes are its name: enough for what only keeps and points. */
export function filesOf(version: string, change: Partial<ModelCard> = {}): ModelFiles {
  const onnx = new TextEncoder().encode(`onnx of ${version}`);
  const trees = new TextEncoder().encode(`trees of ${version}`);
  const card: ModelCard = {
    format: 1,
    version,
    createdAt: '2026-01-03T00:00:00.000Z',
    data: {
      release: 7,
      until: '2026-01-03T00:00:00.000Z',
      extractHash: 'e',
      slices: { training: SLICE, calibration: SLICE, validation: SLICE },
      vectors: { backfilled: 30, fromDecisions: 0 },
    },
    features: [{ name: 'a', hashes: { gaming: 'h' } }],
    classNames: ['regular', 'burst'],
    onnxHash: hashOf(onnx),
    treesHash: hashOf(trees),
    trainer: { rounds: 30 },
    calibration: { scores: [0, 1], probabilities: [0.01, 0.9] },
    thresholds: { review: 0.5, decline: null },
    budgets: [],
    validation: {
      prevalence: 0.2,
      model: RANKING,
      baselines: { logistic: RANKING, rules: RANKING },
      brier: { score: 0.1, calibrated: 0.1 },
      topBands: [],
      topCalibrationError: 0,
    },
    parity: { rows: 10_000, edgeRows: 10, maxDifference: 0, labelDifferences: 0 },
    gates: [{ name: 'G0 artefact', passed: true, checks: [] }],
    bins: { features: [], score: { missing: 0, zero: 0, edges: [], counts: [10] } },
    sampleRows: [],
    ...change,
  };
  return { card, onnx, trees };
}

// === Helpers ===

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
