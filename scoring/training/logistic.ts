import { solveSymmetric } from './linearSystem.ts';
import { columnOf, positivesOf, type RowSet } from './rowSet.ts';

/**
 * The baseline: logistic regression, positive against regular, on the model's own features. Each feature is
 * standardised by mean and deviation of the training rows; a missing value stands at the mean, and a
 * feature that has missing values gets a second column, 1 where it is missing.
 */
export interface LogisticModel {
  readonly inputs: readonly Input[];
  /** One for each input, then the intercept. */
  readonly weights: readonly number[];
}

interface Input {
  readonly feature: number;
  readonly kind: 'value' | 'missing';
  readonly mean: number;
  readonly deviation: number;
}

/**
 * Minimises Σ log-loss + ½ |w|² (the intercept is free) by Newton's method with halved steps. It is convex:
 * there is one answer, and no seed. Cost: rows × inputs² a step, some ten steps. Pure.
 */
export function trainLogistic(set: RowSet): LogisticModel {
  const inputs = inputsOf(set);
  const matrix = designOf(set, inputs);
  const positives = positivesOf(set);
  let weights: Float64Array = new Float64Array(inputs.length + 1);
  let loss = lossOf(matrix, positives, weights);
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const { gradient, hessian } = derivatives(matrix, positives, weights);
    if (gradient.every((value) => Math.abs(value) < TOLERANCE)) break;
    const direction = solveSymmetric(hessian, gradient);
    const next = descend(weights, direction, loss, (at) => lossOf(matrix, positives, at));
    if (next === undefined) break;
    ({ weights, loss } = next);
  }
  return { inputs, weights: [...weights] };
}

/** Probability of being positive, one a row. Pure. */
export function predictLogistic(model: LogisticModel, set: RowSet): Float64Array {
  const matrix = designOf(set, model.inputs);
  const weights = Float64Array.from(model.weights);
  return Float64Array.from(set.classes, (_, row) => 1 / (1 + Math.exp(-marginOf(matrix, row, weights))));
}

// === Helpers ===

const [MAX_STEPS, TOLERANCE] = [100, 1e-6];

/** Row-major inputs with a last column of ones. */
interface Design {
  readonly values: Float64Array;
  readonly width: number;
}

function inputsOf(set: RowSet): Input[] {
  return set.featureNames.flatMap((_, feature) => {
    const column = columnOf(set, feature);
    const present = column.filter((value) => !Number.isNaN(value));
    const inputs: Input[] = [{ feature, kind: 'value', ...momentsOf(present) }];
    if (present.length < column.length) {
      const flags = Float32Array.from(column, (value) => Number(Number.isNaN(value)));
      inputs.push({ feature, kind: 'missing', ...momentsOf(flags) });
    }
    // What never changes says nothing, and has no deviation to divide by.
    return inputs.filter(({ deviation }) => deviation > 0);
  });
}

function momentsOf(values: Float32Array): { mean: number; deviation: number } {
  if (values.length === 0) return { mean: 0, deviation: 0 };
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / values.length) };
}

function designOf(set: RowSet, inputs: readonly Input[]): Design {
  const [rows, width] = [set.classes.length, inputs.length + 1];
  const values = new Float64Array(rows * width).fill(1);
  inputs.forEach(({ feature, kind, mean, deviation }, input) => {
    columnOf(set, feature).forEach((value, row) => {
      const missing = Number.isNaN(value);
      const seen = kind === 'missing' ? Number(missing) : missing ? mean : value;
      values[row * width + input] = (seen - mean) / deviation;
    });
  });
  return { values, width };
}

// hot path
function marginOf({ values, width }: Design, row: number, weights: Float64Array): number {
  let margin = 0;
  for (let i = 0; i < width; i += 1) margin += (values[row * width + i] ?? 0) * (weights[i] ?? 0);
  return margin;
}

function lossOf(matrix: Design, positives: Uint8Array, weights: Float64Array): number {
  let loss = penaltyOf(weights);
  for (let row = 0; row < positives.length; row += 1) {
    const margin = marginOf(matrix, row, weights);
    // log(1 + e^x) without overflow.
    loss += Math.max(margin, 0) + Math.log1p(Math.exp(-Math.abs(margin))) - (positives[row] ?? 0) * margin;
  }
  return loss;
}

function penaltyOf(weights: Float64Array): number {
  return weights.subarray(0, -1).reduce((sum, weight) => sum + (weight * weight) / 2, 0);
}

/** Of the loss; `hessian` row-major, its lower triangle filled. */
// hot path
function derivatives({ values, width }: Design, positives: Uint8Array, weights: Float64Array) {
  const gradient = weights.slice();
  gradient[width - 1] = 0;
  const hessian = new Float64Array(width * width);
  for (let i = 0; i < width - 1; i += 1) hessian[i * width + i] = 1;
  for (let row = 0; row < positives.length; row += 1) {
    const p = 1 / (1 + Math.exp(-marginOf({ values, width }, row, weights)));
    const [error, curvature, from] = [p - (positives[row] ?? 0), p * (1 - p), row * width];
    for (let i = 0; i < width; i += 1) {
      const value = values[from + i] ?? 0;
      gradient[i] = (gradient[i] ?? 0) + error * value;
      const scaled = curvature * value;
      for (let j = 0; j <= i; j += 1) {
        const at = i * width + j;
        hessian[at] = (hessian[at] ?? 0) + scaled * (values[from + j] ?? 0);
      }
    }
  }
  return { gradient, hessian };
}

/** One step against the direction, halved until the loss falls; undefined when it no longer does. */
function descend(
  weights: Float64Array,
  direction: Float64Array,
  loss: number,
  lossAt: (weights: Float64Array) => number,
): { weights: Float64Array; loss: number } | undefined {
  for (let length = 1; length > 1e-6; length /= 2) {
    const next = weights.map((weight, i) => weight - length * (direction[i] ?? 0));
    const nextLoss = lossAt(next);
    if (nextLoss < loss) return { weights: next, loss: nextLoss };
  }
  return undefined;
}
