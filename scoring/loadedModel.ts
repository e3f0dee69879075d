import { createHash } from 'node:crypto';
import { fault } from '../infra/core/errorCatalog.ts';
import type { FeatureSet } from '../transforms/featureSet.ts';
import { compileExplainer, type Explainer } from './explanation.ts';
import type { ModelCard, ModelFiles } from './modelCard.ts';
import { type OnnxModel, openOnnxModel } from './onnxModel.ts';
import { decodeVector } from './vectorCodec.ts';

/** A model that was checked and may decide; its memory is given back at the end of its scope. */
export interface LoadedModel extends AsyncDisposable {
  readonly card: ModelCard;
  /**
   * For each place of the model's input the place in vectors of `set`, −1 where the source has no such
   * feature; undefined when the model was not trained on the source or cannot be computed with this set.
   */
  inputOf(set: FeatureSet): Int32Array | undefined;
  /** Probabilities of all classes, row-major. @throws MODEL_ONNX_INVALID */
  predict(values: Float32Array): Promise<Float32Array>;
  readonly explainer: Explainer;
}

/**
 * Loads a version and proves that it may decide here: files are those of the card, every feature is
 * computed by one of `sets`, onnxruntime and the trees reproduce the card's sample rows within 1e-5. It is
 * warm afterwards.
 * @throws MODEL_UNUSABLE, MODEL_FEATURES_NOT_COMPUTABLE, MODEL_ONNX_INVALID, MODEL_JSON_UNSUPPORTED
 */
export async function loadModel(files: ModelFiles, sets: readonly FeatureSet[]): Promise<LoadedModel> {
  const { card, onnx, trees } = files;
  requireFiles(files);
  requireFeatures(card, sets);
  const explainer = compileExplainer(trees);
  const shape = { featureCount: card.features.length, classCount: card.classNames.length };
  const model = await openOnnxModel(onnx, shape);
  try {
    await requireSamples(card, model, explainer);
    await warm(model, shape.featureCount);
  } catch (error) {
    await model[Symbol.asyncDispose]();
    throw error;
  }
  const inputs = new WeakMap<FeatureSet, Int32Array | undefined>();
  return {
    card,
    explainer,
    predict: (values) => model.predict(values),
    inputOf: (set) => {
      if (!inputs.has(set)) inputs.set(set, inputPlaces(card, set));
      return inputs.get(set);
    },
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

// === Helpers ===

/** As in gate G1. */
const MAX_DIFFERENCE = 1e-5;

function requireFiles({ card, onnx, trees }: ModelFiles): void {
  const wrong = sha256(onnx) !== card.onnxHash ? 'model.onnx' : 'trees.json';
  if (wrong === 'model.onnx' || sha256(trees) !== card.treesHash) {
    throw unusable(card, `${wrong} is not the file of its card`);
  }
  const { review, decline } = card.thresholds;
  // A threshold that is no number would approve everything or nothing without anybody having said so.
  if (!Number.isFinite(review) || (decline !== null && !Number.isFinite(decline))) {
    throw unusable(card, `its thresholds are ${review} and ${decline}`);
  }
}

function requireFeatures(card: ModelCard, sets: readonly FeatureSet[]): void {
  const missing = card.features.flatMap(({ name, hashes }) =>
    Object.entries(hashes)
      .filter(
        ([source, hash]) =>
          hashIn(
            sets.find((set) => set.source.name === source),
            name,
          ) !== hash,
      )
      .map(([source, hash]) => `${name} of ${source} (${hash})`),
  );
  if (missing.length === 0) return;
  throw fault('MODEL_FEATURES_NOT_COMPUTABLE', { version: card.version, features: missing.join(', ') });
}

function hashIn(set: FeatureSet | undefined, name: string): string | undefined {
  return set?.features.find(({ entry }) => entry.name === name)?.hash;
}

function inputPlaces(card: ModelCard, set: FeatureSet): Int32Array | undefined {
  const { name: source } = set.source;
  const places = card.features.map(({ name, hashes }) =>
    hashes[source] === undefined
      ? -1
      : set.features.findIndex(({ entry, hash }) => entry.name === name && hash === hashes[source]),
  );
  const isComputable = card.features.every(
    ({ hashes }, index) => hashes[source] === undefined || places[index] !== -1,
  );
  return isComputable && places.some((place) => place !== -1) ? Int32Array.from(places) : undefined;
}

async function requireSamples(card: ModelCard, model: OnnxModel, explainer: Explainer): Promise<void> {
  const { sampleRows, features } = card;
  // Without rows nothing would have been proven.
  if (sampleRows.length === 0) throw unusable(card, 'its card has no sample rows');
  const vectors = sampleRows.map(({ vector }) => decodeVector(vector));
  if (vectors.some(({ length }) => length !== features.length)) {
    throw unusable(card, `a sample row has other than ${features.length} features`);
  }
  const probabilities = await model.predict(Float32Array.from(vectors.flatMap((vector) => [...vector])));
  const expected = sampleRows.flatMap((row) => [...row.probabilities]);
  requireEqual(card, 'onnxruntime', { actual: probabilities, expected });
  const byTrees = vectors.flatMap((vector) => softmax(explainer.margins(vector)));
  requireEqual(card, 'trees.json', { actual: byTrees, expected });
}

function requireEqual(
  card: ModelCard,
  who: string,
  { actual, expected }: { readonly actual: ArrayLike<number>; readonly expected: readonly number[] },
): void {
  const index = expected.findIndex(
    (value, i) => !(Math.abs((actual[i] ?? Number.NaN) - value) <= MAX_DIFFERENCE),
  );
  if (index === -1 && actual.length === expected.length) return;
  throw unusable(card, `${who} gives ${actual[index]} for ${expected[index]} in the sample rows`);
}

function softmax(margins: Float64Array): number[] {
  const largest = Math.max(...margins);
  const powers = [...margins].map((margin) => Math.exp(margin - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** Rows enough for what the runtime allocates at its first batches. */
async function warm(model: OnnxModel, featureCount: number): Promise<void> {
  for (const rows of [1, 32, 256]) await model.predict(new Float32Array(rows * featureCount));
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function unusable({ version }: ModelCard, detail: string) {
  return fault('MODEL_UNUSABLE', { version, detail });
}
