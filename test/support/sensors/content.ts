import { join } from 'node:path';
import type { Content } from '../../../infra/content.ts';
import type { Contract } from '../../../ingestion/contract.ts';
import type { ScoringContent } from '../../../scoring/scoringContent.ts';
import type { FeatureContent } from '../../../transforms/feature.ts';

/**
 * A second domain that shares no word with the payment domains: no money, no actor, another key. That
 * it lands and is transformed shows that the engine knows only contracts and models.
 */
export function sensorContent(topic: string): Content {
  const transformsDir = join(import.meta.dirname, 'transforms');
  return { contracts: [readings(topic)], transformsDir, features: SENSOR_FEATURES, scoring: SENSOR_SCORING };
}

/** Features of each kind: tenths of a degree are whole, so that their mean is exact. */
const SENSOR_FEATURES: FeatureContent = {
  sources: [
    {
      name: 'readings',
      table: 'bronze.readings',
      eventTime: 'measured',
      inputs: {
        tenths: { kind: 'whole', field: 'celsius', scale: 1 },
        is_calibrated: { kind: 'number', field: 'calibrated' },
        room: { kind: 'text', field: 'room' },
      },
    },
  ],
  entities: [{ name: 'probe' }, { name: 'room', input: 'room' }],
  entries: [
    {
      name: 'is_frost',
      number: 'S1',
      kind: 'event',
      expression: 'tenths < 0',
      description: 'below freezing',
    },
    {
      name: 'mean_10m',
      number: 'S2',
      kind: 'stream',
      entity: 'key',
      aggregation: 'mean',
      of: 'tenths',
      window: '10m',
      where: 'is_calibrated = 1',
      description: 'mean of calibrated readings, tenths of a degree',
    },
    {
      name: 'coldest_2h',
      number: 'S4',
      kind: 'gold',
      entity: 'probe',
      aggregation: 'min',
      of: 'tenths',
      window: '2h',
      description: 'coldest reading of the probe, tenths of a degree',
    },
    {
      name: 'probes_2h',
      number: 'S5',
      kind: 'gold',
      entity: 'room',
      aggregation: 'distinct',
      of: 'key',
      window: '2h',
      description: 'probes in the room',
    },
    {
      name: 'jump',
      number: 'S3',
      kind: 'derived',
      expression: 'abs(tenths - mean_10m)',
      description: 'how far it is from that mean',
    },
  ],
};

const HOUR_MS = 3_600_000;

const SENSOR_SCORING: ScoringContent = {
  classNames: ['steady', 'icing'],
  policy: {
    alertsPerDay: 10,
    declinePrecision: 0.9,
    mediumFrom: 0.25,
    onStatus: { TOO_LATE: 'review', STALE: 'score', OUTSIDE_MAX_AGE: 'review', NOT_HELD: 'review' },
    maxReasons: 2,
  },
  training: {
    historyMs: 48 * HOUR_MS,
    maturityMs: 6 * HOUR_MS,
    calibrationMs: 6 * HOUR_MS,
    validationMs: 6 * HOUR_MS,
    warmUpMs: HOUR_MS,
    maxRows: 10_000,
    labels: {
      table: 'silver.icings',
      knownAt: 'known_at',
      view: 'silver.newest_icings',
      event: 'reading_uid',
      className: "case when was_icy then 'icing' else 'steady' end",
    },
    floors: { recallAt1PercentFpr: 0.1, perClass: {}, minSupport: 30 },
  },
};

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
      { name: 'room', type: 'string', optional: true, doc: 'where the probe hangs, when known' },
      { name: 'calibrated', type: 'boolean', doc: 'whether the probe was calibrated' },
    ],
    key: 'sensor',
    eventTime: 'measured',
    maxAgeMs: 7 * 86_400_000,
    rules: [{ name: 'celsius_range', field: 'celsius', check: { min: -90, max: 60 } }],
    partitions: 3,
  };
}
