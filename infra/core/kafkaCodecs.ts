import { compressionsAlgorithms } from '@platformatic/kafka';

/** Compression of record batches, as kafkajs wants it; it has gzip itself. */
export interface BatchCodec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(data: Buffer): Promise<Buffer>;
}

/** What producers of others may have used: a topic that cannot be read stops its landing. */
export const BATCH_CODECS: Readonly<Record<'snappy' | 'lz4' | 'zstd', BatchCodec>> = {
  snappy: codec('snappy'),
  lz4: codec('lz4'),
  zstd: codec('zstd'),
};

// === Helpers ===

function codec(name: 'snappy' | 'lz4' | 'zstd'): BatchCodec {
  const algorithm = compressionsAlgorithms[name];
  return {
    compress: async ({ buffer }) => algorithm.compressSync(buffer),
    decompress: async (data) => algorithm.decompressSync(data),
  };
}
