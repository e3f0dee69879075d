import type { Contract } from '../contract.ts';
import { MAX_AGE_MS } from './vocabulary.ts';

/** What a scorer decided about one record, in the partition of that record and with its key. */
export const decisions: Contract = {
  topic: 'decisions',
  table: 'bronze.decisions',
  version: 1,
  doc: 'What a scorer decided about one record, in the partition of that record and with its key.',
  fields: [
    { name: 'decision_id', type: 'string', doc: '<topic>:<topic id>:<partition>:<offset> of the record' },
    { name: 'key', type: 'string', doc: 'key of the record' },
    { name: 'source_topic', type: 'string', doc: 'topic of the record' },
    { name: 'source_topic_id', type: 'string', doc: 'topic id of the record' },
    { name: 'source_partition', type: 'int', doc: 'partition of the record' },
    { name: 'source_offset', type: 'long', doc: 'offset of the record' },
    { name: 'decided_at', type: 'timestamp-micros', doc: 'when it was decided' },
    { name: 'decision', type: 'string', doc: 'approve, review or decline' },
    { name: 'risk_tier', type: 'string', doc: 'low, medium, high or critical' },
    { name: 'reason_code', type: 'string', optional: true, doc: 'why it is a review without a score' },
    { name: 'p_fraud', type: 'double', optional: true, doc: 'calibrated probability of fraud' },
    { name: 'model_version', type: 'string', optional: true, doc: 'version that scored it' },
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
