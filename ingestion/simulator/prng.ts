/**
 * Seeded randomness: a small counter-based generator (sfc32) whose state comes from a hash of its
 * keys, so that each actor, day and event can have a stream of its own. Pure; no `Math.random`.
 */
export class Rng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Equal keys give equal streams; `1` and `'1'` are the same key. */
  constructor(...keys: readonly (string | number)[]) {
    [this.#a, this.#b, this.#c] = hashKeys(keys.join('\u0000'));
    for (let round = 0; round < 8; round += 1) this.uint32();
  }

  // hot path
  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.uint32() / 4_294_967_296;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** Integer in [from, to], both inclusive. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  /** Uniform in [from, to). */
  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  /** Standard normal (Box and Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }

  /** Log-normal by its median and the standard deviation of its logarithm. */
  logNormal(median: number, sigma: number): number {
    return median * Math.exp(sigma * this.normal());
  }

  /** One element, all equally likely. `items` must not be empty. */
  pick<T>(items: readonly T[]): T {
    return at(items, Math.floor(this.next() * items.length));
  }

  /** One element, in proportion to its weight. */
  weighted<T extends { readonly weight: number }>(items: readonly T[]): T {
    let total = 0;
    for (const item of items) total += item.weight;
    let left = this.next() * total;
    for (const item of items) {
      left -= item.weight;
      if (left < 0) return item;
    }
    return at(items, items.length - 1);
  }

  /** `length` characters of A-Z0-9. */
  code(length: number): string {
    let text = '';
    while (text.length < length) text += at(BASE36_TRIPLES, this.uint32() % BASE36_TRIPLES.length);
    return text.slice(0, length);
  }

  /** `length` lower-case hexadecimal digits. */
  hex(length: number): string {
    let text = '';
    while (text.length < length) text += this.uint32().toString(16).padStart(8, '0');
    return text.slice(0, length);
  }
}

/** `items[index]` of an index known to be inside. */
export function at<T>(items: ArrayLike<T>, index: number): T {
  return items[index] as T;
}

/** `value` held inside [from, to]. */
export function clamp(value: number, from: number, to: number): number {
  return Math.min(to, Math.max(from, value));
}

/** A 32-bit hash of `text`, stable for ever. */
export function hash32(text: string): number {
  return hashKeys(text)[0] >>> 0;
}

// === Helpers ===

const BASE36 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

const BASE36_TRIPLES = [...BASE36].flatMap((x) =>
  [...BASE36].flatMap((y) => [...BASE36].map((z) => x + y + z)),
);

function hashKeys(text: string): [number, number, number] {
  let x = 0x9e3779b9;
  let y = 0x85ebca6b;
  let z = 0xc2b2ae35;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    x = Math.imul(x ^ unit, 0x01000193);
    y = Math.imul(y ^ x ^ (unit << 8), 0x5bd1e995);
    z = Math.imul(z + (y ^ (x >>> 15)), 0x27d4eb2f);
  }
  return [mix(x), mix(y ^ x), mix(z ^ y)];
}

function mix(value: number): number {
  let v = value;
  v = Math.imul(v ^ (v >>> 16), 0x7feb352d);
  v = Math.imul(v ^ (v >>> 15), 0x846ca68b);
  return v ^ (v >>> 16);
}
