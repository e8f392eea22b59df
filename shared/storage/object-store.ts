/** An object as it was read; `etag` names this very content and is what `ifMatch` is compared with. */
export interface StoredObject {
  readonly body: Uint8Array;
  readonly etag: string;
}

/**
 * What must hold for a write to happen: `ifNoneMatch`, that there is no such object; `ifMatch`, that the object
 * still has the etag that was read.
 */
export type PutCondition = { readonly ifNoneMatch: true } | { readonly ifMatch: string };

/** A half-open range of bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Where runs keep their records: S3, a folder, or memory. Every adapter passes the conformance suite in
 * test/storage.
 *
 * A write is seen whole or not at all, by everybody at once, and a conditional write has exactly one winner.
 * Keys are parts of letters, digits, `.`, `_` and `-` between slashes, none beginning with a dot; no key is a
 * folder of another, so that each is a file name too.
 */
export interface ObjectStore {
  /** `undefined` where there is no such object; a range beyond the object's end is cut to it. */
  get(key: string, range?: ByteRange): Promise<StoredObject | undefined>;
  /**
   * Writes the object and returns its etag.
   *
   * @throws PreconditionFailedError the condition does not hold (S3: 412); repeating it is of no use
   * @throws WriteConflictError another conditional write was under way (S3: 409); nothing was written
   * @throws StoreUnavailableError the store did not answer (S3: 503, time-out): it may have been written
   */
  put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string>;
  /** The keys that begin with the prefix, in ascending order of their characters, page by page. */
  list(prefix: string): AsyncIterable<string>;
  /** Removing what is not there is no error. */
  delete(key: string): Promise<void>;
}
