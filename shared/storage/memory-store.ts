import { assertKey, PreconditionFailedError } from "./errors.js";
import { contentEtag } from "./etag.js";
import type { ByteRange, ObjectStore, PutCondition, StoredObject } from "./object-store.js";

/** An object store in memory, for runs whose records are not needed after the process ends. */
export class MemoryObjectStore implements ObjectStore {
  readonly #objects = new Map<string, StoredObject>();

  async get(key: string, range?: ByteRange): Promise<StoredObject | undefined> {
    assertKey(key);
    const object = this.#objects.get(key);
    if (object === undefined) return undefined;
    return { body: object.body.slice(range?.start, range?.end), etag: object.etag };
  }

  async put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
    assertKey(key);
    const present = this.#objects.get(key);
    if (condition !== undefined) {
      const holds = "ifMatch" in condition ? present?.etag === condition.ifMatch : present === undefined;
      if (!holds) throw new PreconditionFailedError(key);
    }
    const object = { body: new Uint8Array(body), etag: contentEtag(body) };
    this.#objects.set(key, object);
    return object.etag;
  }

  async *list(prefix: string): AsyncIterable<string> {
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    yield* keys;
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    this.#objects.delete(key);
  }
}
