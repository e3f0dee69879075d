import { randomUUID } from 'node:crypto';
import { fault } from '../infra/core/errorCatalog.ts';
import type { ObjectStore } from './storage.ts';

const PARALLEL_PUTS = 16;

/**
 * Proves that the store honours put-if-absent: of parallel puts to a fresh key exactly one creates,
 * and a later one finds it there. An answer that was lost proves nothing either way and is not held
 * against the store, unless all were. @throws LAKE_STORE_UNSAFE
 */
export async function probeStore(store: ObjectStore): Promise<void> {
  const key = `_probe/${randomUUID()}`;
  const body = (text: string) => new TextEncoder().encode(text);
  const racers = Array.from({ length: PARALLEL_PUTS }, (_, i) => store.putIfAbsent(key, body(`racer ${i}`)));
  const results = await Promise.all(racers);
  const created = results.filter((result) => result === 'created').length;
  const lost = results.filter((result) => result === 'unknown').length;
  const repeat = await store.putIfAbsent(key, body('repeat'));
  await store.remove(key);
  const isSafe = created <= 1 && created + lost >= 1 && lost < PARALLEL_PUTS && repeat !== 'created';
  if (isSafe) return;
  const detail = `${created} of ${PARALLEL_PUTS} parallel puts created one key, a repeat answered ${repeat}`;
  throw fault('LAKE_STORE_UNSAFE', { uri: store.uri, detail });
}

/** The store, probed once before the first `putIfAbsent` through it; readers never pay for it. */
export function probedStore(store: ObjectStore): ObjectStore {
  let probe: Promise<void> | undefined;
  return {
    ...store,
    putIfAbsent: async (key, body) => {
      probe ??= probeStore(store);
      try {
        await probe;
      } catch (error) {
        probe = undefined;
        throw error;
      }
      return store.putIfAbsent(key, body);
    },
  };
}
