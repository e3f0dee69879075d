import type { ErrorDefinition } from './errors.ts';

/** The part of the error catalogue that belongs to scoring and training; see `errorCatalog.ts`. */
export const SCORING_ERRORS = {
  MODEL_CHAMPION_MOVED: {
    domain: 'user',
    retry: 'never',
    message: 'the champion was {found}, but meanwhile it is {now}: nothing was rolled back',
    remedy: 'look at it (tidemark models list), then roll back again or promote a version by its name',
  },
  MODEL_CORRUPT: {
    domain: 'external',
    retry: 'never',
    message: 'the model {version} is damaged: {detail}',
    remedy:
      'promote another version (tidemark models list), or train again; files of models are never changed',
  },
  MODEL_GATES_FAILED: {
    domain: 'user',
    retry: 'never',
    message: 'the model {version} did not pass its gates: {failed}',
    remedy: 'train again; G2 and G5 alone may be overruled by a person: --force --reason "…"',
  },
  MODEL_JSON_UNSUPPORTED: {
    domain: 'internal',
    retry: 'never',
    message: 'the XGBoost model cannot be written as ONNX: {detail}',
    remedy: 'train with the booster gbtree, the objective multi:softprob and no categorical features',
  },
  MODEL_LOG_CORRUPT: {
    domain: 'external',
    retry: 'never',
    message: 'the log of model aliases cannot be read at {key}: {detail}',
    remedy:
      'restore the object from a copy of the store; what decided went on with the last model it had read',
  },
  MODEL_MISSING: {
    domain: 'user',
    retry: 'never',
    message: 'there is no model {version}',
    remedy: 'list the versions: tidemark models list',
  },
  MODEL_NONE_BEFORE: {
    domain: 'user',
    retry: 'never',
    message: 'no other model was champion before',
    remedy: 'promote a version by its name: tidemark models promote VERSION',
  },
  MODEL_ONNX_INVALID: {
    domain: 'external',
    retry: 'never',
    message: 'the ONNX model does not load or does not fit: {detail}',
    remedy: 'use another version of the model; its file is damaged or was written by something else',
  },
  SCORING_NO_DECISIONS: {
    domain: 'user',
    retry: 'never',
    message: 'no contract says that it answers records, so decisions have no topic',
    remedy: "set 'answers' in the contract of the topic of decisions, see ingestion/contract.ts",
  },
  SCORING_PARTITIONS: {
    domain: 'user',
    retry: 'never',
    message: 'the topic {topic} has {partitions} partitions, but {decisions} only {available}',
    remedy:
      'give {decisions} at least {partitions} partitions: a decision goes to the partition of its record',
  },
  TRAINING_NOT_READY: {
    domain: 'user',
    retry: 'never',
    message: 'release {release} is not enough to train on as of {until}: {detail}',
    remedy:
      'land more history and run the transforms (tidemark run), or train as of another time with --until',
  },
  TRAINING_NO_RELEASE: {
    domain: 'user',
    retry: 'never',
    message: 'there is no release to train on yet',
    remedy: 'land data and run the transforms: tidemark run',
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
