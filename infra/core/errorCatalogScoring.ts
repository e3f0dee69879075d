import type { ErrorDefinition } from './errors.ts';

/** The part of the error catalogue that belongs to scoring and training; see `errorCatalog.ts`. */
export const SCORING_ERRORS = {
  MODEL_JSON_UNSUPPORTED: {
    domain: 'internal',
    retry: 'never',
    message: 'the XGBoost model cannot be written as ONNX: {detail}',
    remedy: 'train with the booster gbtree, the objective multi:softprob and no categorical features',
  },
  MODEL_ONNX_INVALID: {
    domain: 'external',
    retry: 'never',
    message: 'the ONNX model does not load or does not fit: {detail}',
    remedy: 'use another version of the model; its file is damaged or was written by something else',
  },
  TRAINING_ROWS_INVALID: {
    domain: 'user',
    retry: 'never',
    message: 'the row set {name} cannot be trained or measured on: {detail}',
    remedy: 'correct the extract: a missing value is NaN, a class is an index into the class names',
  },
  TRAINING_SPLIT_NOT_BY_TIME: {
    domain: 'user',
    retry: 'never',
    message:
      'the {earlier} rows reach {earlierMax}, but the {later} rows begin at {laterMin}: they are not split by time',
    remedy: 'cut the rows at a point in time; random splits let a model see the future of an entity',
  },
  XGBOOST_FAILED: {
    domain: 'internal',
    retry: 'never',
    message: 'libxgboost refused {call}: {detail}',
    remedy: 'check the parameters and the rows of the training; infinities are refused, missing is NaN',
  },
  XGBOOST_MISSING: {
    domain: 'external',
    retry: 'never',
    message: 'libxgboost cannot be loaded from {path}: {detail}',
    remedy: 'run: sh infra/stack/bring.sh xgboost',
  },
} as const satisfies Record<string, ErrorDefinition>;
