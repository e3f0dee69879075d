import { createHash } from 'node:crypto';
import type { ModelCard, ModelFiles, SampleRow, SliceFacts } from '../modelCard.ts';
import type { Policy } from '../scoringContent.ts';
import { encodeVector } from '../vectorCodec.ts';
import { thresholdForPrecision } from './alertBudget.ts';
import { binsOf } from './bins.ts';
import type { Candidate } from './candidate.ts';
import type { Extract } from './extract.ts';
import type { Period } from './periods.ts';
import { columnOf, positivesOf, type RowSet } from './rowSet.ts';
import type { TreeOptions } from './treeTraining.ts';
import { XGBOOST_VERSION, type Xgboost } from './xgboostLibrary.ts';

export interface CardFacts {
  readonly extract: Extract;
  readonly candidate: Candidate;
  readonly release: number;
  readonly untilMs: number;
  readonly createdMs: number;
  readonly trees: TreeOptions;
  readonly policy: Pick<Policy, 'declinePrecision'>;
}

/** The files of a candidate, ready to be registered. Equal facts give an equal card. */
export function modelFilesOf(xgboost: Xgboost, facts: CardFacts): ModelFiles {
  const { candidate, extract, release, untilMs } = facts;
  const { slices, periods } = extract;
  const { training, calibration, validation } = slices;
  const until = new Date(untilMs).toISOString();
  const sliceFacts = (name: 'training' | 'calibration' | 'validation') =>
    factsOf(slices[name], periods[name]);
  const rows = training.classes.length + calibration.classes.length + validation.classes.length;
  const content: Omit<ModelCard, 'version' | 'createdAt'> = {
    format: 1,
    data: {
      release,
      until,
      extractHash: extract.hash,
      slices: {
        training: sliceFacts('training'),
        calibration: sliceFacts('calibration'),
        validation: sliceFacts('validation'),
      },
      vectors: { backfilled: rows, fromDecisions: 0 },
    },
    features: extract.features,
    classNames: training.classNames,
    onnxHash: candidate.onnxHash,
    treesHash: createHash('sha256').update(candidate.trees).digest('hex'),
    trainer: { library: 'xgboost', version: XGBOOST_VERSION, ...facts.trees },
    calibration: candidate.calibration,
    thresholds: thresholdsOf(facts),
    budgets: candidate.thresholds,
    validation: candidate.validation,
    parity: candidate.parity,
    gates: candidate.gates,
    bins: {
      features: training.featureNames.map((_, feature) => binsOf(columnOf(training, feature))),
      score: binsOf(candidate.probabilities.validation),
    },
    sampleRows: sampleRowsOf(xgboost, candidate.trees, validation),
  };
  const createdAt = new Date(facts.createdMs).toISOString();
  const card = { ...content, version: versionOf(content), createdAt };
  return { card, onnx: candidate.onnx, trees: candidate.trees };
}

// === Helpers ===

/** Order by name is by T. The hash covers all of the card: other thresholds or gates are another version. */
function versionOf(content: Omit<ModelCard, 'version' | 'createdAt'>): string {
  const time = content.data.until.replace(/\.\d+/, '').replaceAll(/[-:]/g, '');
  return `${time}-${createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 12)}`;
}

const SAMPLE_ROWS = 20;
/** Fewer rows than this say nothing about a precision of 95 %. */
const MIN_DECLINES = 30;

function factsOf(set: RowSet, { fromMs, toMs }: Period): SliceFacts {
  return {
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    rows: set.classes.length,
    positives: positivesOf(set).reduce((sum, positive) => sum + positive, 0),
  };
}

/** Both from calibration rows; who is declined is above who is reviewed. */
function thresholdsOf({ candidate, extract, policy }: CardFacts): ModelCard['thresholds'] {
  const review = candidate.thresholds[0]?.threshold ?? Number.POSITIVE_INFINITY;
  const decline = thresholdForPrecision(
    candidate.probabilities.calibration,
    positivesOf(extract.slices.calibration),
    { precision: policy.declinePrecision, minRows: MIN_DECLINES },
  );
  return { review, decline: decline === undefined ? null : Math.max(review, decline) };
}

/** Spread evenly over the validation rows. */
function sampleRowsOf(xgboost: Xgboost, trees: Uint8Array, validation: RowSet): SampleRow[] {
  const width = validation.featureNames.length;
  const classCount = validation.classNames.length;
  const count = Math.min(SAMPLE_ROWS, validation.classes.length);
  const vectors = Array.from({ length: count }, (_, index) => {
    const from = Math.floor((index * validation.classes.length) / count) * width;
    return validation.values.slice(from, from + width);
  });
  const values = Float32Array.from(vectors.flatMap((vector) => [...vector]));
  const probabilities = xgboost.predict(trees, { values, featureCount: width });
  return vectors.map((vector, index) => ({
    vector: encodeVector(vector),
    probabilities: [...probabilities.subarray(index * classCount, (index + 1) * classCount)],
  }));
}
