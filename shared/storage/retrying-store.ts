import { PreconditionFailedError, StoreUnavailableError, WriteConflictError } from "./errors.js";
import type { ByteRange, ObjectStore, PutCondition, StoredObject } from "./object-store.js";

export interface RetryPolicy {
  readonly attempts: number;
  /** Pause before the second attempt; doubled before each further one. */
  readonly pauseMilliseconds: number;
  readonly sleep: (milliseconds: number) => Promise<void>;
}

/**
 * Repeats calls that the store did not answer or that met another write.
 *
 * A write that was carried out although its answer was lost fails its condition when it is repeated, so a
 * PreconditionFailedError only says that the object now is another one than was read: it may be the own one.
 */
export class RetryingObjectStore implements ObjectStore {
  readonly #store: ObjectStore;
  readonly #policy: RetryPolicy;

  constructor(store: ObjectStore, policy: RetryPolicy) {
    this.#store = store;
    this.#policy = policy;
  }

  get(key: string, range?: ByteRange): Promise<StoredObject | undefined> {
    return this.#repeat(() => this.#store.get(key, range));
  }

  put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
    return this.#repeat(() => this.#store.put(key, body, condition));
  }

  list(prefix: string): AsyncIterable<string> {
    return this.#store.list(prefix);
  }

  delete(key: string): Promise<void> {
    return this.#repeat(() => this.#store.delete(key));
  }

  async #repeat<T>(call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (error) {
        if (attempt >= this.#policy.attempts || !isTransient(error)) throw error;
      }
      await this.#policy.sleep(this.#policy.pauseMilliseconds * 2 ** (attempt - 1));
    }
  }
}

/**
 * Writes an object whose key fixes its content: if there is one already, it is the same.
 * @returns whether it is known to be this very one
 */
export async function putImmutable(store: ObjectStore, key: string, body: Uint8Array): Promise<boolean> {
  try {
    await store.put(key, body, { ifNoneMatch: true });
    return true;
  } catch (error) {
    if (!(error instanceof PreconditionFailedError)) throw error;
    return false;
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof StoreUnavailableError || error instanceof WriteConflictError;
}
