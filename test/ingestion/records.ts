import type { Contract } from '../../ingestion/contract.ts';
import type { RawRecord } from '../../ingestion/decoder.ts';

/** A contract with every type, nested ones, an optional field of each place, and every kind of rule. */
export const PARCELS: Contract = {
  topic: 'parcels',
  table: 'bronze.parcels',
  version: 1,
  doc: 'Parcels on their way.',
  fields: [
    { name: 'parcel', type: 'string', doc: 'id' },
    { name: 'sender', type: 'string', doc: 'key' },
    { name: 'scanned', type: 'timestamp-micros', doc: 'when' },
    { name: 'weight', type: { type: 'decimal', precision: 9, scale: 3 }, doc: 'kilograms' },
    { name: 'stops', type: 'int', doc: 'so far' },
    { name: 'serial', type: 'long', doc: 'number' },
    { name: 'tilt', type: 'double', optional: true, doc: 'degrees' },
    { name: 'fragile', type: 'boolean', doc: 'handle with care' },
    { name: 'size', type: 'string', doc: 's, m or l' },
    {
      name: 'hub',
      type: {
        type: 'record',
        fields: [
          { name: 'code', type: 'string', doc: 'hub' },
          { name: 'dock', type: 'int', optional: true, doc: 'dock' },
        ],
      },
      doc: 'where',
    },
    {
      name: 'items',
      type: {
        type: 'array',
        items: {
          type: 'record',
          fields: [
            { name: 'sku', type: 'string', doc: 'article' },
            { name: 'price', type: { type: 'decimal', precision: 15, scale: 2 }, doc: 'of one' },
          ],
        },
      },
      doc: 'content',
    },
    { name: 'remark', type: 'string', optional: true, doc: 'free text' },
  ],
  key: 'sender',
  eventTime: 'scanned',
  maxAgeMs: 90 * 86_400_000,
  rules: [
    { name: 'parcel_form', field: 'parcel', check: { pattern: '^[A-Z]{2}[0-9]+$' } },
    { name: 'sender_length', field: 'sender', check: { minLength: 1, maxLength: 8 } },
    { name: 'weight_range', field: 'weight', check: { min: 0, max: 1000 } },
    { name: 'stops_range', field: 'stops', check: { min: 1, max: 5000 } },
    { name: 'tilt_range', field: 'tilt', check: { min: -90, max: 90 } },
    { name: 'size_known', field: 'size', check: { oneOf: ['s', 'm', 'l'] } },
    { name: 'items_count', field: 'items', check: { minLength: 1, maxLength: 3 } },
  ],
  partitions: 3,
};

export const ARRIVED_MS = Date.UTC(2026, 5, 15, 12, 0, 0);

export const GOOD = {
  parcel: 'DE42',
  sender: 'anna',
  scanned: '2026-06-15T11:59:58.250Z',
  weight: 2.5,
  stops: 3,
  serial: 9_007_199_254_740_991,
  tilt: 0.5,
  fragile: false,
  size: 'm',
  hub: { code: 'LEJ', dock: 4 },
  items: [
    { sku: 'a-1', price: 19.99 },
    { sku: 'b-2', price: 5 },
  ],
  remark: 'ring twice',
};

/** A record of this text; its key is the right one unless given. */
export function recordOf(value: string | Buffer | null, given: Partial<RawRecord> = {}): RawRecord {
  return {
    key: Buffer.from('anna'),
    value: typeof value === 'string' ? Buffer.from(value) : value,
    arrivedAtMs: ARRIVED_MS,
    ...given,
  };
}

/** The good record with some fields changed; undefined removes one. */
export function withFields(changes: Record<string, unknown>): string {
  return JSON.stringify({ ...GOOD, ...changes });
}

/** The good record's text with `"name":…` of a top-level scalar written as given, digits and all. */
export function withText(name: string, text: string): string {
  const marker = 987_654_321;
  return JSON.stringify({ ...GOOD, [name]: marker }).replace(String(marker), text);
}
