import { fault } from '../../infra/core/errorCatalog.ts';
import type { ObjectStore, PutIfAbsentResult } from '../../lakehouse/storage.ts';

/**
 * What happens to one conditional put. `lostAfter`: it happened, the answer got lost. `lostBefore`: it
 * never arrived. `late`: no answer, and it arrives only after `lateBy` further puts. `refused`: the
 * store answers that it does not know (409). `slow`: the answer comes a few turns late.
 */
export type PutFault = 'none' | 'lostAfter' | 'lostBefore' | 'late' | 'refused' | 'slow';

export interface FaultyStore extends ObjectStore {
  /** Calls by verb, for assertions on costs. */
  readonly calls: Record<'read' | 'put' | 'putFile' | 'putIfAbsent' | 'list' | 'remove', number>;
  /** Reads fail while this is positive; each failure lowers it. */
  failReads: number;
}

/** `store` with faults: `nextFault` is asked once for each conditional put. */
export function faultyStore(
  store: ObjectStore,
  nextFault: (key: string) => PutFault = () => 'none',
): FaultyStore {
  const calls = { read: 0, put: 0, putFile: 0, putIfAbsent: 0, list: 0, remove: 0 };
  const late: (() => Promise<unknown>)[] = [];
  const faulty: FaultyStore = {
    ...store,
    calls,
    failReads: 0,
    read: async (key) => {
      calls.read += 1;
      if (faulty.failReads > 0) {
        faulty.failReads -= 1;
        throw fault('LAKE_STORE_UNAVAILABLE', { uri: store.uri, detail: 'injected' });
      }
      return store.read(key);
    },
    put: async (key, body) => {
      calls.put += 1;
      await store.put(key, body);
    },
    putFile: async (key, localPath) => {
      calls.putFile += 1;
      await store.putFile(key, localPath);
    },
    list: (prefix, startAfter) => {
      calls.list += 1;
      return store.list(prefix, startAfter);
    },
    remove: async (key) => {
      calls.remove += 1;
      await store.remove(key);
    },
    putIfAbsent: async (key, body): Promise<PutIfAbsentResult> => {
      calls.putIfAbsent += 1;
      for (const arrive of late.splice(0)) await arrive();
      const what = nextFault(key);
      if (what === 'lostBefore' || what === 'refused') return 'unknown';
      if (what === 'late') {
        late.push(() => store.putIfAbsent(key, body));
        return 'unknown';
      }
      if (what === 'slow') for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
      const result = await store.putIfAbsent(key, body);
      return what === 'lostAfter' ? 'unknown' : result;
    },
  };
  return faulty;
}
