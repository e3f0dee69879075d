import type { Calibration } from './training/calibration.ts';
import type { BudgetThreshold } from './training/candidate.ts';
import type { Gate } from './training/gates.ts';
import type { ParityReport } from './training/parity.ts';
import type { ValidationReport } from './training/validationReport.ts';

/** Everything about a version of a model beside its files; written once, never changed. */
export interface ModelCard {
  readonly format: 1;
  /** `<T as yyyymmddThhmmssZ>-<first 12 digits of the hash of the rest, but for createdAt>`. */
  readonly version: string;
  readonly createdAt: string;
  readonly data: TrainingData;
  /** In the order of the model's input. A source that has no such feature has no hash: its value is missing. */
  readonly features: readonly CardFeature[];
  /** Class 0 is the regular one: p_fraud = calibrated(1 − p(class 0)). */
  readonly classNames: readonly string[];
  /** SHA-256 of `model.onnx` and of `trees.json`, hexadecimal. */
  readonly onnxHash: string;
  readonly treesHash: string;
  readonly trainer: Readonly<Record<string, string | number>>;
  readonly calibration: Calibration;
  /** On p_fraud: from `review` on a person looks, from `decline` on it is refused (null: never by itself). */
  readonly thresholds: { readonly review: number; readonly decline: number | null };
  readonly budgets: readonly BudgetThreshold[];
  readonly validation: ValidationReport;
  readonly parity: ParityReport;
  readonly gates: readonly Gate[];
  /**
   * For drift: each feature (in order of `features`) on training rows; p_fraud on validation rows, since on
   * rows that the trees have learnt it is surer than it will ever be again.
   */
  readonly bins: { readonly features: readonly Bins[]; readonly score: Bins };
  /** Rows of the validation slice with the probabilities of libxgboost: a loader reproduces them. */
  readonly sampleRows: readonly SampleRow[];
}

/** A version of a model as it is kept. */
export interface ModelFiles {
  readonly card: ModelCard;
  readonly onnx: Uint8Array;
  /** The trees as libxgboost's JSON. */
  readonly trees: Uint8Array;
}

export interface CardFeature {
  readonly name: string;
  /** By name of the source. */
  readonly hashes: Readonly<Record<string, string>>;
}

export interface TrainingData {
  readonly release: number;
  /** T, ISO-8601: nothing that became known after it was read. */
  readonly until: string;
  /** SHA-256 over the rows of all slices. */
  readonly extractHash: string;
  readonly slices: Readonly<Record<'training' | 'calibration' | 'validation', SliceFacts>>;
  /** How many vectors came from where. */
  readonly vectors: { readonly backfilled: number; readonly fromDecisions: number };
}

export interface SliceFacts {
  readonly from: string;
  readonly to: string;
  readonly rows: number;
  readonly positives: number;
}

/** Counts of values: missing and zero apart, the others in `counts[i]` when edges[i − 1] ≤ value < edges[i]. */
export interface Bins {
  readonly missing: number;
  readonly zero: number;
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

export interface SampleRow {
  /** Float32, little endian, base64. */
  readonly vector: string;
  readonly probabilities: readonly number[];
}
