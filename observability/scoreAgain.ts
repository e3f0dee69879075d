import { compileExplainer } from '../scoring/explanation.ts';
import type { ModelCard, ModelFiles } from '../scoring/modelCard.ts';
import { openOnnxModel } from '../scoring/onnxModel.ts';
import { calibrate } from '../scoring/training/calibration.ts';
import type { FeatureList } from '../scoring/vectorCodec.ts';

/** What a version of a model says about a logged vector, whatever is deployed now. */
export interface ModelAnswer {
  readonly card: ModelCard;
  /** By class name, in the card's order. */
  readonly probabilities: readonly { readonly name: string; readonly probability: number }[];
  /** Calibrated. */
  readonly pFraud: number;
  /** By feature: what it did to the margin of the likeliest fraud class over the regular one. */
  readonly contributions: ReadonlyMap<string, number>;
  /** Features that the model knows of the source and that the vector does not have in that definition. */
  readonly absent: readonly string[];
}

/** Values are found by name and hash, so an old model reads an old vector. @throws MODEL_ONNX_INVALID */
export async function scoreAgain(
  { card, onnx, trees }: ModelFiles,
  list: FeatureList,
  vector: Float32Array,
): Promise<ModelAnswer> {
  const places = card.features.map(({ name, hashes }) =>
    list.features.findIndex((one) => one.name === name && one.hash === hashes[list.source]),
  );
  const row = Float32Array.from(places, (place) => (place < 0 ? Number.NaN : (vector[place] as number)));
  const shape = { featureCount: card.features.length, classCount: card.classNames.length };
  await using model = await openOnnxModel(onnx, shape);
  const found = await model.predict(row);
  const probabilities = card.classNames.map((name, index) => ({ name, probability: found[index] as number }));
  const [, ...frauds] = probabilities;
  const likeliest = frauds.reduce((best, one) => (one.probability > best.probability ? one : best));
  const margins = compileExplainer(trees).contributions(row, card.classNames.indexOf(likeliest.name));
  return {
    card,
    probabilities,
    pFraud: calibrate(card.calibration, Math.max(0, 1 - (found[0] as number))),
    contributions: new Map(card.features.map(({ name }, index) => [name, margins[index] as number])),
    absent: card.features
      .filter(({ hashes }, index) => hashes[list.source] !== undefined && places[index] === -1)
      .map(({ name }) => name),
  };
}
