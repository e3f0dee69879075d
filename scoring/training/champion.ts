import type { CardFeature, ModelFiles } from '../modelCard.ts';
import { openOnnxModel } from '../onnxModel.ts';
import { pairedGain } from './bootstrap.ts';
import { type Gate, gateChampion, gateIncomparable } from './gates.ts';
import { columnOf, positivesOf, type RowSet } from './rowSet.ts';
import { scoresOf } from './treeTraining.ts';

/** What is compared with the champion: a candidate on its own validation rows. */
export interface Contender {
  readonly files: ModelFiles;
  readonly validation: RowSet;
  /** One a row; any scoring that ranks as the candidate does. */
  readonly scores: Float64Array;
  readonly resamples: number;
  readonly seed: number;
}

/** G4: both score the candidate's validation rows. @throws MODEL_ONNX_INVALID */
export async function judgeAgainst(champion: ModelFiles, contender: Contender): Promise<Gate> {
  const { files, validation, scores, resamples, seed } = contender;
  const { version } = champion.card;
  const strange = champion.card.features.find((feature) => !has(files.card.features, feature));
  if (strange !== undefined) return gateIncomparable(version, `${strange.name} has another definition now`);
  const positives = positivesOf(validation);
  const gain = pairedGain({
    champion: await championScores(champion, validation),
    challenger: scores,
    positives,
    entities: validation.entities,
    resamples,
    seed,
  });
  return gateChampion({
    champion: version,
    gain,
    positives: positives.reduce((sum, positive) => sum + positive, 0),
    isRefresh: isRefresh(champion, files),
  });
}

// === Helpers ===

function has(features: readonly CardFeature[], wanted: CardFeature): boolean {
  const found = features.find(({ name }) => name === wanted.name);
  return found !== undefined && textOf(found) === textOf(wanted);
}

function textOf({ name, hashes }: CardFeature): string {
  return JSON.stringify([name, Object.entries(hashes).toSorted()]);
}

function isRefresh({ card: a }: ModelFiles, { card: b }: ModelFiles): boolean {
  const face = ({ features, classNames, trainer }: typeof a) =>
    JSON.stringify([features.map(textOf), classNames, Object.entries(trainer).toSorted()]);
  return face(a) === face(b);
}

/** The champion's own features, in its own order. */
async function championScores({ card, onnx }: ModelFiles, set: RowSet): Promise<Float64Array> {
  const [width, rows] = [card.features.length, set.classes.length];
  const values = new Float32Array(rows * width);
  card.features.forEach(({ name }, place) => {
    columnOf(set, set.featureNames.indexOf(name)).forEach((value, row) => {
      values[row * width + place] = value;
    });
  });
  const shape = { featureCount: width, classCount: card.classNames.length };
  await using model = await openOnnxModel(onnx, shape);
  return scoresOf(await model.predict(values), shape.classCount);
}
