import type { OnnxModel } from '../onnxModel.ts';
import type { TreeModel } from './treeModel.ts';
import type { DenseRows } from './xgboostLibrary.ts';

/** How far two computations of one model are apart. */
export interface ParityReport {
  readonly rows: number;
  /** Rows that were made to hit a threshold, its float32 neighbours, NaN or the largest floats. */
  readonly edgeRows: number;
  /** The largest |difference| of a probability. */
  readonly maxDifference: number;
  /** Rows whose most probable class differs. */
  readonly labelDifferences: number;
}

/** The gate wants at least this many rows. */
export const PARITY_MIN_ROWS = 10_000;

/**
 * Rows on the edges of the model's splits: a real row with one value replaced by the threshold, the
 * float32 below and above it, NaN, and the largest floats; a repeated threshold once. At least
 * `minRows`, by going over the real rows again. Pure.
 */
export function edgeRowsOf(model: TreeModel, rows: DenseRows, minRows: number): DenseRows {
  const width = rows.featureCount;
  const rowCount = rows.values.length / width;
  const edges = edgesOf(model);
  if (edges.length === 0) return { values: new Float32Array(0), featureCount: width };
  const count = Math.max(edges.length, minRows);
  const values = new Float32Array(count * width);
  for (let index = 0; index < count; index += 1) {
    // Coprime steps: an edge that comes again meets another row.
    const from = ((index + Math.floor(index / edges.length)) % rowCount) * width;
    values.set(rows.values.subarray(from, from + width), index * width);
    const edge = edges[index % edges.length];
    if (edge !== undefined) values[index * width + edge.feature] = edge.value;
  }
  return { values, featureCount: width };
}

/**
 * Real rows and edge rows, predicted by the ONNX model in batches and compared with what libxgboost
 * says (`expected`: row-major, one probability a class). The first rows are predicted one by one too.
 */
export async function compareWithOnnx(
  onnx: OnnxModel,
  rows: { readonly real: DenseRows; readonly edges: DenseRows },
  expected: { readonly real: Float32Array; readonly edges: Float32Array },
): Promise<ParityReport> {
  const width = rows.real.featureCount;
  const [realRows, edgeRows] = [rows.real.values.length / width, rows.edges.values.length / width];
  const classCount = expected.real.length / realRows;
  const single = {
    values: rows.real.values.subarray(0, Math.min(realRows, SINGLE_ROWS) * width),
    featureCount: width,
  };
  const parts = [
    compare(await predictIn(onnx, rows.real, BATCH_ROWS), expected.real, classCount),
    compare(await predictIn(onnx, rows.edges, BATCH_ROWS), expected.edges, classCount),
    compare(await predictIn(onnx, single, 1), expected.real, classCount),
  ];
  return {
    rows: realRows + edgeRows,
    edgeRows,
    maxDifference: Math.max(...parts.map(({ maxDifference }) => maxDifference)),
    labelDifferences: parts.reduce((sum, { labelDifferences }) => sum + labelDifferences, 0),
  };
}

// === Helpers ===

const [BATCH_ROWS, SINGLE_ROWS] = [256, 100];
const LARGEST = 3.4028234663852886e38;

interface Edge {
  readonly feature: number;
  readonly value: number;
}

function edgesOf(model: TreeModel): Edge[] {
  const edges = new Map<string, Edge>();
  for (const tree of model.trees) {
    tree.left.forEach((left, node) => {
      if (left === -1) return;
      const [feature = 0, threshold = 0] = [tree.feature[node], tree.value[node]];
      const [below, above] = neighboursOf(threshold);
      for (const value of [threshold, below, above, Number.NaN, LARGEST, -LARGEST]) {
        edges.set(`${feature} ${value}`, { feature, value });
      }
    });
  }
  return [...edges.values()];
}

/** The float32 values directly below and above; integers order floats of one sign. */
function neighboursOf(value: number): [number, number] {
  if (value === 0) return [-(2 ** -149), 2 ** -149];
  const [float, bits] = [Float32Array.of(value), new Int32Array(1)];
  bits.set(new Int32Array(float.buffer));
  const step = (by: number) => new Float32Array(Int32Array.of((bits[0] ?? 0) + by).buffer)[0] ?? value;
  return value > 0 ? [step(-1), step(1)] : [step(1), step(-1)];
}

async function predictIn(onnx: OnnxModel, rows: DenseRows, batchRows: number): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  const step = batchRows * rows.featureCount;
  for (let from = 0; from < rows.values.length; from += step) {
    parts.push(await onnx.predict(rows.values.slice(from, from + step)));
  }
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Over the rows of `actual`, which may be fewer than those of `expected`. A NaN is as far as can be. */
function compare(actual: Float32Array, expected: Float32Array, classCount: number) {
  let [maxDifference, labelDifferences] = [0, 0];
  for (let row = 0; row * classCount < actual.length; row += 1) {
    const [from, to] = [row * classCount, (row + 1) * classCount];
    for (let index = from; index < to; index += 1) {
      const difference = Math.abs((actual[index] ?? Number.NaN) - (expected[index] ?? Number.NaN));
      maxDifference = Math.max(maxDifference, Number.isNaN(difference) ? 1 : difference);
    }
    if (largestOf(actual.subarray(from, to)) !== largestOf(expected.subarray(from, to)))
      labelDifferences += 1;
  }
  return { maxDifference, labelDifferences };
}

function largestOf(values: Float32Array): number {
  return values.indexOf(values.reduce((max, value) => Math.max(max, value), 0));
}
