import type { ErrorDefinition } from './errors.ts';

/** The part of the error catalogue that belongs to deciding; see `errorCatalog.ts`. */
export const DECISION_ERRORS = {
  MODEL_FEATURES_NOT_COMPUTABLE: {
    domain: 'user',
    retry: 'never',
    message: 'the model {version} needs what no feature here gives: {features}',
    remedy: 'promote a model that was trained on the features of this version, or bring the entries back',
  },
  MODEL_UNUSABLE: {
    domain: 'external',
    retry: 'never',
    message: 'the model {version} cannot decide: {detail}',
    remedy: 'promote another version; its files do not belong together, or this machine computes otherwise',
  },
} as const satisfies Record<string, ErrorDefinition>;
