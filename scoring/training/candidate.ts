import { type OnnxModel, openOnnxModel } from '../onnxModel.ts';
import { type AlertReport, budgetOf, reportAlerts, thresholdForBudget } from './alertBudget.ts';
import { type Calibration, calibrate, fitCalibration } from './calibration.ts';
import { type JudgeOptions, judgeCandidate, sha256 } from './candidateGates.ts';
import type { Gate } from './gates.ts';
import { predictLogistic, trainLogistic } from './logistic.ts';
import { onnxOfTrees } from './onnxExport.ts';
import { compareWithOnnx, edgeRowsOf, PARITY_MIN_ROWS, type ParityReport } from './parity.ts';
import { positivesOf, type RowSet, requireSlices, type Slices } from './rowSet.ts';
import { findRules, type RuleList, scoreByRules } from './rules.ts';
import { parseTreeModel } from './treeModel.ts';
import { scoresOf, trainTrees } from './treeTraining.ts';
import { reportValidation, type ValidationReport } from './validationReport.ts';
import type { Xgboost } from './xgboostLibrary.ts';

/** How many alerts people can look at. */
export interface AlertBudget {
  readonly name: string;
  readonly alertsPerDay: number;
}

export interface CandidateOptions extends JudgeOptions {
  /** A threshold is found for each; the floors are judged at the first. */
  readonly budgets: readonly [AlertBudget, ...AlertBudget[]];
}

/** A threshold on the calibrated probability (an event at or above it is an alert), and how it fares. */
export interface BudgetThreshold {
  readonly name: string;
  readonly threshold: number;
  readonly onValidation: AlertReport;
}

/** A trained model with everything that is asked before it is promoted. Plain values. */
export interface Candidate {
  readonly onnx: Uint8Array;
  /** SHA-256 of `onnx`, hexadecimal. */
  readonly onnxHash: string;
  /** What libxgboost saved, as JSON. */
  readonly trees: Uint8Array;
  readonly calibration: Calibration;
  /** Calibrated, by row. */
  readonly probabilities: { readonly calibration: Float64Array; readonly validation: Float64Array };
  readonly thresholds: readonly BudgetThreshold[];
  readonly validation: ValidationReport;
  readonly rules: RuleList;
  readonly parity: ParityReport;
  /** G0 to G3; the candidate may be promoted when all of them pass. */
  readonly gates: readonly Gate[];
}

/**
 * Train → ONNX → calibrate → measure → judge. Equal slices and options give an equal candidate. It trains
 * three times (the model, again for G0, on shuffled classes for G2) and blocks for most of its time: call it
 * in a process of its own.
 * @throws TRAINING_ROWS_INVALID, TRAINING_SPLIT_NOT_BY_TIME, XGBOOST_FAILED, MODEL_JSON_UNSUPPORTED
 */
export async function trainCandidate(
  xgboost: Xgboost,
  slices: Slices,
  options: CandidateOptions,
): Promise<Candidate> {
  requireSlices(slices);
  const { training, calibration, validation } = slices;
  const json = trainTrees(xgboost, training, options.trees);
  const onnx = onnxOfTrees(parseTreeModel(json));
  const shape = { featureCount: training.featureNames.length, classCount: training.classNames.length };
  await using model = await openOnnxModel(onnx, shape);
  const scoreRows = async (set: RowSet) => scoresOf(await model.predict(set.values), shape.classCount);

  const [early, late] = [await scoreRows(calibration), await scoreRows(validation)];
  const fitted = fitCalibration(early, positivesOf(calibration));
  const probabilities = { calibration: calibrated(fitted, early), validation: calibrated(fitted, late) };
  const rules = findRules(training);
  const scores = {
    model: late,
    logistic: predictLogistic(trainLogistic(training), validation),
    rules: scoreByRules(rules, validation),
  };
  const thresholdOf = (budget: AlertBudget) => thresholdFor(slices, budget, probabilities);
  const measured = {
    onnxHash: sha256(onnx),
    validation: reportValidation(validation, scores, probabilities.validation),
    parity: await measureParity(xgboost, { json, model }, validation),
  };
  const alerts = thresholdOf(options.budgets[0]).onValidation;
  const gates = judgeCandidate(xgboost, { slices, options, measured: { ...measured, scores, alerts } });
  const thresholds = options.budgets.map(thresholdOf);
  return { onnx, trees: json, calibration: fitted, probabilities, rules, thresholds, ...measured, gates };
}

// === Helpers ===

function calibrated(calibration: Calibration, scores: Float64Array): Float64Array {
  return scores.map((score) => calibrate(calibration, score));
}

/** Chosen on the calibration rows, told on the validation rows: what it is to keep, it has not seen. */
function thresholdFor(
  { calibration, validation }: Slices,
  { name, alertsPerDay }: AlertBudget,
  probabilities: Candidate['probabilities'],
): BudgetThreshold {
  const { threshold } = thresholdForBudget(probabilities.calibration, budgetOf(calibration, alertsPerDay));
  return { name, threshold, onValidation: reportAlerts(validation, probabilities.validation, threshold) };
}

/** All validation rows, and at least as many on the edges of splits as are wanting to the gate's number. */
async function measureParity(
  xgboost: Xgboost,
  { json, model }: { readonly json: Uint8Array; readonly model: OnnxModel },
  validation: RowSet,
): Promise<ParityReport> {
  const real = { values: validation.values, featureCount: validation.featureNames.length };
  const edges = edgeRowsOf(parseTreeModel(json), real, PARITY_MIN_ROWS - validation.classes.length);
  const expected = { real: xgboost.predict(json, real), edges: xgboost.predict(json, edges) };
  return compareWithOnnx(model, { real, edges }, expected);
}
