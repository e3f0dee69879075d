import type { ErrorDefinition } from './errors.ts';

/** The part of the error catalogue that belongs to deciding; see `errorCatalog.ts`. */
export const DECISION_ERRORS = {
  DECISION_EVENT_UNKNOWN: {
    domain: 'user',
    retry: 'backoff',
    message: 'the lake has no decision about an event {event}',
    remedy:
      'look whether it is spelt so in bronze, and again in a moment: decisions land a few seconds after they are made',
  },
  DECISION_ID_INVALID: {
    domain: 'user',
    retry: 'never',
    message: '{id} is no id of a decision',
    remedy:
      'an id is <topic>:<topic id>:<partition>:<offset>, as in bronze.decisions; by the id of an event: tidemark explain --event EVENT_ID',
  },
  DECISION_NOT_FOUND: {
    domain: 'user',
    retry: 'backoff',
    message: 'the lake has no decision {id}: {detail}',
    remedy: 'look again in a moment if it is still on its way; tidemark verify proves that none is missing',
  },
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
