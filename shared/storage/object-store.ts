/** An object as read; `etag` identifies its content and is what `ifMatch` compares. */
export interface StoredObject {
  readonly body: Uint8Array;
  readonly etag: string;
}

/**
 * Condition of a write: `ifNoneMatch` requires that the object does not exist; `ifMatch` requires that it
 * still has the etag that was read.
 */
export type PutCondition = { readonly ifNoneMatch: true } | { readonly ifMatch: string };

/** A range of an object's bytes, from `start` (included) to `end` (excluded). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Storage of the records of runs: S3, a folder, or memory. Every adapter passes the conformance suite in
 * test/storage.
 *
 * A write is atomic and immediately visible to all readers, and of several conditional writes exactly one
 * succeeds. Keys consist of letters, digits, `.`, `_` and `-` between slashes, no part beginning with a dot;
 * no key is a folder of another, so that each is a file name too.
 */
export interface ObjectStore {
  /**
   * Reads the object, or the given range of its bytes, cut to the object's end; `undefined` if it does not
   * exist.
   */
  get(key: string, range?: ByteRange): Promise<StoredObject | undefined>;
  /**
   * Writes the object and returns its etag.
   *
   * @throws PreconditionFailedError if the condition does not hold (S3: 412); repeating the write is useless
   * @throws WriteConflictError if another conditional write was under way (S3: 409); nothing was written
   * @throws StoreUnavailableError if the store did not answer (S3: 503, time-out); the object may have been
   * written
   */
  put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string>;
  /** The keys that begin with the prefix, in ascending order, page by page. */
  list(prefix: string): AsyncIterable<string>;
  /** Deletes the object; deleting one that does not exist is no error. */
  delete(key: string): Promise<void>;
}
