import {
  averagePrecision,
  brierScore,
  calibrationError,
  prevalenceOf,
  type ReliabilityBand,
  rankByScore,
  recallAtFpr,
  reliability,
  rocAuc,
} from './metrics.ts';
import { positivesOf, type RowSet } from './rowSet.ts';

/** How one scoring ranks the rows. */
export interface RankReport {
  readonly averagePrecision: number;
  readonly rocAuc: number;
  /** Recall at a false-positive rate of at most 0.1, 1 and 5 %. */
  readonly recallAtFpr: { readonly '0.001': number; readonly '0.01': number; readonly '0.05': number };
}

/** Scores of the same rows by the model and by what it has to beat. */
export interface ScoresBeside {
  readonly model: Float64Array;
  readonly logistic: Float64Array;
  readonly rules: Float64Array;
}

/** Everything that is measured on the validation rows and needs no threshold. */
export interface ValidationReport {
  readonly prevalence: number;
  readonly model: RankReport;
  readonly baselines: { readonly logistic: RankReport; readonly rules: RankReport };
  /** Of the score as it is, and of the calibrated probability. */
  readonly brier: { readonly score: number; readonly calibrated: number };
  /** The 1 % of rows with the highest calibrated probability, in ten bands, and the error over them. */
  readonly topBands: readonly ReliabilityBand[];
  readonly topCalibrationError: number;
}

/** Measures `scores` and the calibrated `probabilities` of the model. Pure. */
export function reportValidation(
  validation: RowSet,
  scores: ScoresBeside,
  probabilities: Float64Array,
): ValidationReport {
  const positives = positivesOf(validation);
  const topBands = reliability(probabilities, positives, { share: 0.01, bands: 10 });
  return {
    prevalence: prevalenceOf(positives),
    model: reportRanking(scores.model, positives),
    baselines: {
      logistic: reportRanking(scores.logistic, positives),
      rules: reportRanking(scores.rules, positives),
    },
    brier: {
      score: brierScore(scores.model, positives),
      calibrated: brierScore(probabilities, positives),
    },
    topBands,
    topCalibrationError: calibrationError(topBands),
  };
}

/** The metrics of rank of one scoring. Pure. */
export function reportRanking(scores: Float64Array, positives: Uint8Array): RankReport {
  const ranking = rankByScore(scores);
  const judged = { positives };
  return {
    averagePrecision: averagePrecision(ranking, judged),
    rocAuc: rocAuc(ranking, judged),
    recallAtFpr: {
      '0.001': recallAtFpr(ranking, judged, 0.001),
      '0.01': recallAtFpr(ranking, judged, 0.01),
      '0.05': recallAtFpr(ranking, judged, 0.05),
    },
  };
}
