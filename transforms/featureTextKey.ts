import { randomBytes } from 'node:crypto';

/**
 * Makes keys of 64 bits from texts: equal texts have equal keys, of others one pair in 2^64. Without a seed
 * it is this process's own, so that nobody can look for texts that meet.
 */
export interface TextKey {
  readonly high: number;
  readonly low: number;
  /** Sets `high` and `low` (32 bits each, signed) for a text. hot path */
  of(text: string): void;
}

export function createTextKey(seed: Uint8Array = randomBytes(8)): TextKey {
  const view = new DataView(seed.buffer, seed.byteOffset, seed.byteLength);
  const [seedHigh, seedLow] = [view.getInt32(0), view.getInt32(4)];
  const key = {
    high: 0,
    low: 0,
    of: (text: string) => {
      let high = seedHigh;
      let low = seedLow;
      for (let i = 0; i < text.length; i += 1) {
        const unit = text.charCodeAt(i);
        high = Math.imul(high ^ unit, 0x9e3779b1);
        low = Math.imul(low ^ unit, 0x5bd1e995);
        high ^= high >>> 15;
        low ^= low >>> 13;
      }
      high = Math.imul(high ^ (high >>> 16) ^ low, 0x85ebca6b);
      low = Math.imul(low ^ (low >>> 13) ^ high, 0xc2b2ae35);
      key.high = high ^ (high >>> 16);
      key.low = low ^ (low >>> 16);
    },
  };
  return key;
}
