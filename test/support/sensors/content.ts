import { join } from 'node:path';
import type { Content } from '../../../infra/content.ts';
import type { Contract } from '../../../ingestion/contract.ts';

/**
 * A second domain that shares no word with the payment domains: no money, no actor, another key. That
 * it lands and is transformed shows that the engine knows only contracts and models.
 */
export function sensorContent(topic: string): Content {
  return { contracts: [readings(topic)], transformsDir: join(import.meta.dirname, 'transforms') };
}

function readings(topic: string): Contract {
  return {
    topic,
    table: 'bronze.readings',
    version: 1,
    doc: 'Temperatures by sensor.',
    fields: [
      { name: 'reading_uid', type: 'string', doc: 'one measurement' },
      { name: 'sensor', type: 'string', doc: 'what measured' },
      { name: 'measured', type: 'timestamp-micros', doc: 'when' },
      { name: 'celsius', type: 'double', optional: true, doc: 'temperature; absent when the probe failed' },
      { name: 'calibrated', type: 'boolean', doc: 'whether the probe was calibrated' },
    ],
    key: 'sensor',
    eventTime: 'measured',
    maxAgeMs: 7 * 86_400_000,
    rules: [{ name: 'celsius_range', field: 'celsius', check: { min: -90, max: 60 } }],
    partitions: 3,
  };
}
