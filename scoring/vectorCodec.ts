import { createHash } from 'node:crypto';
import { endianness } from 'node:os';
import type { FeatureSet } from '../transforms/featureSet.ts';

/** What the places of a logged vector mean; kept in the lake under its hash, written once. */
export interface FeatureList {
  readonly source: string;
  readonly features: readonly { readonly name: string; readonly hash: string }[];
}

/** The features of a source in the order of its vectors. Pure. */
export function featureListOf(set: FeatureSet): FeatureList {
  const features = set.features.map(({ entry, hash }) => ({ name: entry.name, hash }));
  return { source: set.source.name, features };
}

/** 16 hexadecimal digits. Pure. */
export function featureListHash(list: FeatureList): string {
  return createHash('sha256').update(JSON.stringify(list)).digest('hex').slice(0, 16);
}

/** Where a feature list is in the object store. */
export function featureListKey(hash: string): string {
  return `_features/${hash}.json`;
}

/** Float32, little endian, base64. Pure. */
export function encodeVector(vector: Float32Array): string {
  requireLittleEndian();
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
}

/** The inverse of `encodeVector`; NaN stays missing. Pure. */
export function decodeVector(text: string): Float32Array {
  requireLittleEndian();
  const bytes = Buffer.from(text, 'base64');
  const whole = bytes.byteLength - (bytes.byteLength % Float32Array.BYTES_PER_ELEMENT);
  return new Float32Array(new Uint8Array(bytes.subarray(0, whole)).buffer);
}

// === Helpers ===

/** All platforms of Node that we run on are; a platform that is not would write other bytes. */
function requireLittleEndian(): void {
  if (endianness() !== 'LE') throw new Error('vectors are little endian');
}
