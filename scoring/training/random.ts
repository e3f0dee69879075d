/**
 * A small seeded generator (splitmix32) for resampling and shuffling: equal seeds give equal numbers on
 * every machine. Not for secrets.
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  // hot path
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 4_294_967_296;
  };
}

/** A copy in random order (Fisher and Yates). Pure for a given seed. */
export function shuffled(values: Uint8Array, seed: number): Uint8Array {
  const random = seededRandom(seed);
  const copy = values.slice();
  for (let last = copy.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [copy[last], copy[other]] = [copy[other] ?? 0, copy[last] ?? 0];
  }
  return copy;
}
