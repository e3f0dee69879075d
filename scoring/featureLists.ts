import { z } from 'zod';
import type { Lake } from '../lakehouse/lake.ts';
import { putOnce } from '../lakehouse/putOnce.ts';
import type { ObjectStore } from '../lakehouse/storage.ts';
import { type FeatureList, featureListHash, featureListKey } from './vectorCodec.ts';

/**
 * Keeps a list under its hash, so that vectors of it can be read for ever; idempotent. A scorer does so
 * before the first decision with a vector of the list. Gives the hash. @throws LAKE_COMMIT_TIMEOUT
 */
export async function keepFeatureList(
  lake: Pick<Lake, 'store' | 'clock'>,
  list: FeatureList,
): Promise<string> {
  const hash = featureListHash(list);
  await putOnce(lake, featureListKey(hash), Buffer.from(JSON.stringify(list)));
  return hash;
}

/** The list that was kept under this hash; undefined when none was, or it is another one by its content. */
export async function readFeatureList(store: ObjectStore, hash: string): Promise<FeatureList | undefined> {
  const bytes = /^[0-9a-f]{16}$/.test(hash) ? await store.read(featureListKey(hash)) : undefined;
  if (bytes === undefined) return undefined;
  const list = featureList.parse(JSON.parse(new TextDecoder().decode(bytes)));
  return featureListHash(list) === hash ? list : undefined;
}

// === Helpers ===

const featureList = z.object({
  source: z.string(),
  features: z.array(z.object({ name: z.string(), hash: z.string() })),
});
