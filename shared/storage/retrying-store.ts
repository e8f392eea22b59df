import { PreconditionFailedError, StoreUnavailableError, WriteConflictError } from "./errors.js";
import type { ByteRange, ObjectStore, PutCondition, StoredObject } from "./object-store.js";

export interface RetryPolicy {
  readonly attempts: number;
  /** Pause before the second attempt, doubled for each further one. */
  readonly pauseMilliseconds: number;
  readonly sleep: (milliseconds: number) => Promise<void>;
}

/**
 * An object store that repeats calls of another store that were not answered or that collided with another
 * write.
 *
 * A conditional write that succeeded without an answer fails its condition when it is repeated. So
 * PreconditionFailedError only says that the object differs from the one read; this store's own write may be
 * the cause.
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
 * Writes an object whose key determines its content; an existing one is left as it is.
 *
 * @returns whether this call is known to have written it
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
