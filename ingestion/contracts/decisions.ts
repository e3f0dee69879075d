import type { Contract } from '../contract.ts';
import { MAX_AGE_MS } from './vocabulary.ts';

/** What a scorer decided about one record, in the partition of that record and with its key. */
export const decisions: Contract = {
  topic: 'decisions',
  table: 'bronze.decisions',
  version: 2,
  doc: 'What a scorer decided about one record, in the partition of that record and with its key.',
  fields: [
    { name: 'decision_id', type: 'string', doc: '<topic>:<topic id>:<partition>:<offset> of the record' },
    { name: 'key', type: 'string', doc: 'key of the record; empty where it has none' },
    { name: 'event_id', type: 'string', optional: true, doc: 'what labels call the event' },
    { name: 'event_time', type: 'timestamp-micros', optional: true, doc: 'event time of the record' },
    { name: 'decided_at', type: 'timestamp-micros', doc: 'when it was decided' },
    { name: 'decision', type: 'string', doc: 'approve, review or decline' },
    { name: 'risk_tier', type: 'string', doc: 'low, medium, high or critical' },
    {
      name: 'reason_code',
      type: 'string',
      optional: true,
      doc: 'why no model decided: BAD_RECORD, TOO_LATE, GOLD_MISSING, NOT_HELD, OUTSIDE_MAX_AGE, STALE, QUEUE_FULL, NO_MODEL, FEATURES_NOT_COMPUTABLE, MODEL_FAILED, MODEL_OUTPUT_INVALID or DEADLINE',
    },
    {
      name: 'reasons',
      type: { type: 'array', items: 'string' },
      optional: true,
      doc: 'what spoke for fraud',
    },
    { name: 'class', type: 'string', optional: true, doc: 'most probable class' },
    { name: 'p_fraud', type: 'double', optional: true, doc: 'calibrated probability of fraud' },
    { name: 'model_version', type: 'string', optional: true, doc: 'version that scored it' },
    {
      name: 'feature_list',
      type: 'string',
      optional: true,
      doc: 'hash of the list of features in the vector',
    },
    { name: 'vector', type: 'string', optional: true, doc: 'as seen: float32, little endian, base64' },
    {
      name: 'statuses',
      type: 'string',
      optional: true,
      doc: 'a letter for the windows, then one for each gold entity in order: P PRESENT, N NOT_FOUND, L TOO_LATE, S STALE, O OUTSIDE_MAX_AGE, H NOT_HELD, M GOLD_MISSING',
    },
    { name: 'gold_age_s', type: 'int', optional: true, doc: 'how far gold is behind, seconds; absent at 0' },
    { name: 'shadow', type: 'string', optional: true, doc: 'scores of models that do not decide' },
  ],
  key: 'key',
  eventTime: 'decided_at',
  maxAgeMs: MAX_AGE_MS,
  rules: [
    { name: 'decision_known', field: 'decision', check: { oneOf: ['approve', 'review', 'decline'] } },
    { name: 'risk_tier_known', field: 'risk_tier', check: { oneOf: ['low', 'medium', 'high', 'critical'] } },
    { name: 'p_fraud_range', field: 'p_fraud', check: { min: 0, max: 1 } },
  ],
  partitions: 12,
};
