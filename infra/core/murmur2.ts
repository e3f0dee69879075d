const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;

/** 32-bit murmur2 with Kafka's seed, as a signed integer: what Java's partitioner hashes keys with. */
export function murmur2(data: Uint8Array): number {
  const wholeWords = data.length & ~3;
  let hash = SEED ^ data.length;
  for (let at = 0; at < wholeWords; at += 4) {
    const word =
      byteAt(data, at) |
      (byteAt(data, at + 1) << 8) |
      (byteAt(data, at + 2) << 16) |
      (byteAt(data, at + 3) << 24);
    const mixed = Math.imul(word, MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(mixed ^ (mixed >>> 24), MULTIPLIER);
  }
  for (let at = data.length - 1; at >= wholeWords; at -= 1) {
    hash ^= byteAt(data, at) << (8 * (at - wholeWords));
  }
  if (data.length > wholeWords) hash = Math.imul(hash, MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}

// === Helpers ===

function byteAt(data: Uint8Array, index: number): number {
  return data[index] ?? 0;
}
