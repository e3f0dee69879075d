import { fault } from '../infra/core/errorCatalog.ts';
import { jitteredBackoff } from '../infra/core/retry.ts';
import type { Lake } from './lake.ts';

/** With waits that add up to about twenty seconds. */
const PUT_ATTEMPTS = 16;

/**
 * Writes `body` unless the object is there, and returns what is there afterwards: ours or somebody
 * else's. A lost answer is resolved by reading back and putting the same bytes again.
 * @throws LAKE_COMMIT_TIMEOUT (the object may still appear)
 */
export async function putOnce(
  { store, clock }: Pick<Lake, 'store' | 'clock'>,
  key: string,
  body: Uint8Array,
): Promise<Uint8Array> {
  for (let attempt = 0; attempt < PUT_ATTEMPTS; attempt += 1) {
    if ((await store.putIfAbsent(key, body)) === 'created') return body;
    const there = await store.read(key);
    if (there !== undefined) return there;
    await clock.sleep(jitteredBackoff(attempt));
  }
  throw fault('LAKE_COMMIT_TIMEOUT', { table: key, attempts: PUT_ATTEMPTS });
}
