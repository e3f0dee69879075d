import { fault } from '../infra/core/errorCatalog.ts';
import type { FeatureSet } from '../transforms/featureSet.ts';
import type { LoadedModel } from './loadedModel.ts';
import { calibrate } from './training/calibration.ts';

/** What a model says about one row. */
export interface ScoredRow {
  /** The row of the model's input, a view. */
  readonly values: Float32Array;
  /** One a class, a view. */
  readonly probabilities: Float32Array;
  readonly classIndex: number;
  /** Calibrated, in [0, 1]. */
  readonly pFraud: number;
}

/** The rows of one batch for one model. */
export interface ModelRows {
  /** Takes a vector of `set` in; its row, or −1 when the model cannot be asked about this source. hot path */
  add(set: FeatureSet, vector: Float32Array): number;
  /** Asks the model once about all rows; undefined in places where its answer is none. @throws MODEL_ONNX_INVALID */
  score(): Promise<(ScoredRow | undefined)[]>;
}

/** Room for `capacity` rows. */
export function createModelRows(model: LoadedModel, capacity: number): ModelRows {
  const width = model.card.features.length;
  const values = new Float32Array(capacity * width);
  let count = 0;
  return {
    add: (set, vector) => {
      const places = model.inputOf(set);
      if (places === undefined) return -1;
      const at = count * width;
      for (let i = 0; i < width; i += 1) {
        const place = places[i] as number;
        values[at + i] = place < 0 ? Number.NaN : (vector[place] as number);
      }
      count += 1;
      return count - 1;
    },
    score: async () => {
      if (count === 0) return [];
      const classCount = model.card.classNames.length;
      const all = await model.predict(values.subarray(0, count * width));
      // Of a model of half the width come twice the rows: the first would be taken for answers.
      if (all.length !== count * classCount) {
        throw fault('MODEL_ONNX_INVALID', { detail: `${all.length} probabilities for ${count} rows` });
      }
      return Array.from({ length: count }, (_, row) => {
        const probabilities = all.subarray(row * classCount, (row + 1) * classCount);
        return scoredRow(model, values.subarray(row * width, (row + 1) * width), probabilities);
      });
    },
  };
}

// === Helpers ===

/** Sums of ten floats of 24 bits are this far from 1 at most. */
const ROUNDING = 1e-4;

/** Undefined: these are no probabilities. hot path */
function scoredRow(
  { card }: LoadedModel,
  values: Float32Array,
  probabilities: Float32Array,
): ScoredRow | undefined {
  let [sum, classIndex] = [0, 0];
  for (let i = 0; i < probabilities.length; i += 1) {
    const p = probabilities[i] as number;
    if (!(p >= 0 && p <= 1 + ROUNDING)) return undefined;
    sum += p;
    if (p > (probabilities[classIndex] as number)) classIndex = i;
  }
  if (!(Math.abs(sum - 1) <= ROUNDING)) return undefined;
  const pFraud = calibrate(card.calibration, Math.max(0, 1 - (probabilities[0] as number)));
  return pFraud >= 0 && pFraud <= 1 ? { values, probabilities, classIndex, pFraud } : undefined;
}
