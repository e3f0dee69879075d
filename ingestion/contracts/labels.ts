import type { Contract } from '../contract.ts';
import { MAX_AGE_MS } from './vocabulary.ts';

/** What became known about an event later, keyed by the event. All revisions are kept. */
export const labels: Contract = {
  topic: 'labels',
  table: 'bronze.labels',
  version: 1,
  doc: 'What became known about an event later, keyed by the event.',
  fields: [
    { name: 'label_id', type: 'string', doc: 'one statement about one event' },
    { name: 'revision', type: 'int', doc: 'from 1; a correction has a higher one' },
    { name: 'event_id', type: 'string', doc: 'the event that is labelled' },
    { name: 'label', type: 'string', doc: 'fraud, legitimate or unsure' },
    { name: 'fraud_type', type: 'string', optional: true, doc: 'class name, for fraud' },
    { name: 'source', type: 'string', doc: 'chargeback, verdict or simulator' },
    { name: 'label_available_at', type: 'timestamp-micros', doc: 'when it became known' },
  ],
  key: 'event_id',
  eventTime: 'label_available_at',
  maxAgeMs: MAX_AGE_MS,
  rules: [
    { name: 'label_known', field: 'label', check: { oneOf: ['fraud', 'legitimate', 'unsure'] } },
    { name: 'source_known', field: 'source', check: { oneOf: ['chargeback', 'verdict', 'simulator'] } },
    { name: 'revision_range', field: 'revision', check: { min: 1, max: 1_000 } },
  ],
  partitions: 12,
};
