import { createHash } from 'node:crypto';
import type { AlertReport } from './alertBudget.ts';
import { pairedGain } from './bootstrap.ts';
import { type Floors, type Gate, gateArtefact, gateData, gateFloor, gateParity } from './gates.ts';
import { checkShuffled, featureStrengths, type ShuffleCheck, withShuffledClasses } from './leaks.ts';
import { onnxOfTrees } from './onnxExport.ts';
import type { ParityReport } from './parity.ts';
import { maxOf, minOf, positivesOf, rowsHash, type Slices } from './rowSet.ts';
import { parseTreeModel } from './treeModel.ts';
import { scoresOf, type TreeOptions, trainTrees } from './treeTraining.ts';
import type { ScoresBeside, ValidationReport } from './validationReport.ts';
import type { Xgboost } from './xgboostLibrary.ts';

/** What is asked of a candidate. */
export interface JudgeOptions {
  readonly trees: TreeOptions;
  readonly floors: Floors;
  /** The trees and the baselines may have learnt nothing that was known later; ms since 1970 UTC. */
  readonly cutoffMs: number;
  /** What the rows came from, for G0: release, features. */
  readonly lineage: Readonly<Record<string, string | undefined>>;
  /** Draws of the paired bootstrap; its interval needs some hundreds. */
  readonly resamples: number;
}

/** What was measured of it. */
export interface Measured {
  readonly onnxHash: string;
  readonly scores: ScoresBeside;
  readonly validation: ValidationReport;
  readonly parity: ParityReport;
  /** At the budget that the floors of the classes are judged at. */
  readonly alerts: AlertReport;
}

/** SHA-256, hexadecimal. Pure. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** G0 to G3. Trains twice more: the same again, and on shuffled classes. */
export function judgeCandidate(
  xgboost: Xgboost,
  { slices, options, measured }: { slices: Slices; options: JudgeOptions; measured: Measured },
): Gate[] {
  const { training, validation } = slices;
  const again = onnxOfTrees(parseTreeModel(trainTrees(xgboost, training, options.trees)));
  const { model } = measured.validation;
  return [
    gateArtefact({
      onnxHash: measured.onnxHash,
      retrainedHash: sha256(again),
      lineage: { ...options.lineage, 'training rows': rowsHash(training) },
    }),
    gateParity(measured.parity),
    gateData({
      lastKnownAtMs: maxOf(training.knownAtMs),
      cutoffMs: options.cutoffMs,
      firstValidationMs: minOf(validation.eventTimesMs),
      averagePrecision: model.averagePrecision,
      rocAuc: model.rocAuc,
      strengths: featureStrengths(validation),
      prevalence: measured.validation.prevalence,
      shuffle: shuffleCheck(xgboost, slices, options.trees),
    }),
    gateFloor({
      gains: gainsOver(slices, options, measured.scores),
      recallAt1PercentFpr: model.recallAtFpr['0.01'],
      alerts: measured.alerts,
      floors: options.floors,
    }),
  ];
}

// === Helpers ===

function shuffleCheck(xgboost: Xgboost, { training, validation }: Slices, trees: TreeOptions): ShuffleCheck {
  const model = trainTrees(xgboost, withShuffledClasses(training, trees.seed), trees);
  const rows = { values: validation.values, featureCount: validation.featureNames.length };
  const scores = scoresOf(xgboost.predict(model, rows), validation.classNames.length);
  return checkShuffled(scores, withShuffledClasses(validation, trees.seed + 1), trees.seed + 2);
}

function gainsOver({ validation }: Slices, { resamples, trees }: JudgeOptions, scores: ScoresBeside) {
  const gainOver = (champion: Float64Array) =>
    pairedGain({
      champion,
      challenger: scores.model,
      positives: positivesOf(validation),
      entities: validation.entities,
      resamples,
      seed: trees.seed,
    });
  return { 'logistic regression': gainOver(scores.logistic), rules: gainOver(scores.rules) };
}
