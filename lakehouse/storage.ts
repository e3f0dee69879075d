/** One object of a store. Keys are `/`-separated and relative to the lake's root. */
export interface ObjectInfo {
  readonly key: string;
  readonly size: number;
  readonly modifiedMs: number;
}

/**
 * `created`: this call made the object. `exists`: somebody made it before. `unknown`: the answer was
 * lost, either may be true; the caller reads the object back to find out.
 */
export type PutIfAbsentResult = 'created' | 'exists' | 'unknown';

/**
 * What Tidemark needs of an object store. `putIfAbsent` is the one primitive that coordinates
 * processes; all else may be slow, but not wrong. Errors are `LAKE_STORE_UNAVAILABLE`.
 */
export interface ObjectStore {
  /** `s3://bucket/prefix`, `memory:` or an absolute directory. */
  readonly uri: string;
  /** The whole object, or undefined when there is none. */
  read(key: string): Promise<Uint8Array | undefined>;
  /** Creates or replaces; readers see the old or the new object, never a part. */
  put(key: string, body: Uint8Array): Promise<void>;
  /** Like `put`, from a local file, which is gone or garbage afterwards. */
  putFile(key: string, localPath: string): Promise<void>;
  putIfAbsent(key: string, body: Uint8Array): Promise<PutIfAbsentResult>;
  /** Objects whose key starts with `prefix`, in order of key, strictly after `startAfter`. */
  list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo>;
  /** Removing what is not there is no error. */
  remove(key: string): Promise<void>;
  /**
   * A local path of an immutable object, for DuckDB: the file itself, or a copy in a size-bounded
   * cache that stays until `release` is called for it.
   */
  openLocal(key: string): Promise<LocalObject>;
}

export interface LocalObject {
  readonly path: string;
  /** The file may vanish from now on. */
  release(): Promise<void>;
}
