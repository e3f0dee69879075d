/**
 * Writes one message of the Protocol Buffers wire format. Fields appear in the order in which they are
 * written, so equal calls give equal bytes. Repeated numbers are packed.
 */
export class ProtobufWriter {
  readonly #parts: Uint8Array[] = [];

  /** int64, int32, enum or bool; not negative, below 2^53. */
  integer(field: number, value: number): this {
    return this.#push(varint(field * 8), varint(value));
  }

  text(field: number, value: string): this {
    return this.#delimited(field, new TextEncoder().encode(value));
  }

  message(field: number, inner: ProtobufWriter): this {
    return this.#delimited(field, inner.finish());
  }

  /** float32, packed. */
  floats(field: number, values: readonly number[]): this {
    const view = new DataView(new ArrayBuffer(values.length * 4));
    values.forEach((value, index) => {
      view.setFloat32(index * 4, value, true);
    });
    return this.#delimited(field, new Uint8Array(view.buffer));
  }

  /** int64, packed; not negative. */
  integers(field: number, values: readonly number[]): this {
    return this.#delimited(field, Uint8Array.from(values.flatMap((value) => [...varint(value)])));
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts);
  }

  #delimited(field: number, bytes: Uint8Array): this {
    return this.#push(varint(field * 8 + 2), varint(bytes.length), bytes);
  }

  #push(...parts: Uint8Array[]): this {
    this.#parts.push(...parts);
    return this;
  }
}

// === Helpers ===

/** Base 128, least significant group first; no bit operators, which end at 32 bits. */
function varint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no varint`);
  const groups: number[] = [];
  let rest = value;
  while (rest >= 128) {
    groups.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.from([...groups, rest]);
}
