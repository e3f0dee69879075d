import { fault } from '../infra/core/errorCatalog.ts';
import type { FeatureSet } from '../transforms/featureSet.ts';
import type { LoadedModel } from './loadedModel.ts';
import { calibrate } from './training/calibration.ts';

/** What a model said about the rows of a batch. */
export interface Answers {
  /** Calibrated, in [0, 1]; NaN where the model's output is none. */
  readonly pFraud: Float64Array;
  /** Index of the most probable class. */
  readonly classes: Uint8Array;
  readonly probabilities: Float32Array;
}

/** The rows of one batch for one model. */
export interface ModelRows {
  readonly model: LoadedModel;
  readonly count: number;
  /** Takes a vector of `set` in; its row, or −1 when the model cannot be asked about this source. hot path */
  add(set: FeatureSet, vector: Float32Array): number;
  /** The model's input of one row, a view. */
  values(row: number): Float32Array;
  /** Asks the model once about all rows. @throws MODEL_ONNX_INVALID */
  ask(): Promise<Answers>;
}

/** Room for `capacity` rows. */
export function createModelRows(model: LoadedModel, capacity: number): ModelRows {
  const width = model.card.features.length;
  const values = new Float32Array(capacity * width);
  let count = 0;
  return {
    model,
    get count() {
      return count;
    },
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
    values: (row) => values.subarray(row * width, (row + 1) * width),
    ask: async () => {
      if (count === 0) return answersOf(model, new Float32Array(0), 0);
      return answersOf(model, await model.predict(values.subarray(0, count * width)), count);
    },
  };
}

// === Helpers ===

/** Sums of ten floats of 24 bits are this far from 1 at most. */
const ROUNDING = 1e-4;

function answersOf({ card }: LoadedModel, probabilities: Float32Array, count: number): Answers {
  const classCount = card.classNames.length;
  // Of a model of half the width come twice the rows: the first would be taken for answers.
  if (probabilities.length !== count * classCount) {
    throw fault('MODEL_ONNX_INVALID', { detail: `${probabilities.length} probabilities for ${count} rows` });
  }
  const answers = { pFraud: new Float64Array(count), classes: new Uint8Array(count), probabilities };
  for (let row = 0; row < count; row += 1) {
    const from = row * classCount;
    const best = bestOf(probabilities, from, from + classCount);
    const score = Math.max(0, 1 - (probabilities[from] as number));
    const pFraud = best === -1 ? Number.NaN : calibrate(card.calibration, score);
    answers.pFraud[row] = pFraud >= 0 && pFraud <= 1 ? pFraud : Number.NaN;
    answers.classes[row] = best - from;
  }
  return answers;
}

/** Where the largest probability of a row is; −1 when these are none. hot path */
function bestOf(probabilities: Float32Array, from: number, to: number): number {
  let [sum, best] = [0, from];
  for (let i = from; i < to; i += 1) {
    const p = probabilities[i] as number;
    if (!(p >= 0)) return -1;
    sum += p;
    if (p > (probabilities[best] as number)) best = i;
  }
  return Math.abs(sum - 1) <= ROUNDING ? best : -1;
}
