/** Headers of records, as kafkajs reads and writes them. */

type HeaderValue = Uint8Array | string | null | undefined;

/**
 * kafkajs collects the headers of a record in an object that is not empty: a header that is named like
 * something every object inherits (`constructor`, `__proto__`) is read as a repeated one, with what is
 * inherited as its first value. Takes that value out again. hot path.
 */
export function dropInherited(headers: Record<string, unknown>): void {
  for (const name in headers) {
    if (!(name in Object.prototype)) continue;
    const values = headers[name];
    if (Array.isArray(values)) headers[name] = values.slice(1);
  }
}

/** Bytes that headers take in a record batch, at most. */
export function headersSize(
  headers: Readonly<Record<string, HeaderValue | readonly HeaderValue[]>> | undefined,
): number {
  let bytes = 0;
  for (const [name, values] of Object.entries(headers ?? {})) {
    for (const value of Array.isArray(values) ? values : [values])
      bytes += sizeOf(name) + sizeOf(value ?? null) + LENGTHS;
  }
  return bytes;
}

export function sizeOf(data: Uint8Array | string | null): number {
  if (data === null) return 0;
  return typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
}

// === Helpers ===

/** Two lengths of at most five bytes. */
const LENGTHS = 10;
