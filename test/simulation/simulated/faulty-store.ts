import type { RandomStream } from "../../../shared/search/numerics/random.js";
import { StoreUnavailableError, WriteConflictError } from "../../../shared/storage/errors.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import type {
  ByteRange,
  ObjectStore,
  PutCondition,
  StoredObject,
} from "../../../shared/storage/object-store.js";
import type { Faults } from "../fault-plan.js";
import type { VirtualClock } from "./virtual-clock.js";

const ANSWER_MILLISECONDS = 20;
const MOST_SLOW_MILLISECONDS = 60_000;

/** The connection broke off in the middle of an object; no layer retries this error. */
class CutError extends Error {
  override readonly name = "CutError";
  constructor(key: string) {
    super(`the connection was cut in the middle of ${key}`);
  }
}

/** An object store that answers late or not at all, or refuses a conditional write because of another one. */
export class FaultyStore implements ObjectStore {
  /** What was actually written. */
  readonly contents = new MemoryObjectStore();
  readonly #clock: VirtualClock;
  readonly #random: RandomStream;
  readonly #faults: Faults;

  /** @param onWritten called when an object has been stored */
  constructor(
    clock: VirtualClock,
    random: RandomStream,
    faults: Faults,
    private readonly onWritten: (key: string, body: Uint8Array) => void,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#faults = faults;
  }

  async get(key: string, range?: ByteRange): Promise<StoredObject | undefined> {
    await this.#travel();
    if (this.#happens(this.#faults.storeUnavailable)) throw new StoreUnavailableError(key);
    // No adapter returns a partial object: if it cannot read to the end, it fails.
    if (this.#happens(this.#faults.storeCut)) throw new CutError(key);
    const stored = await this.contents.get(key, range);
    await this.#travel();
    return stored;
  }

  async put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
    await this.#travel();
    if (condition !== undefined && this.#happens(this.#faults.storeConflict))
      throw new WriteConflictError(key);
    if (this.#happens(this.#faults.storeUnavailable / 2)) throw new StoreUnavailableError(key);
    if (this.#happens(this.#faults.storeCut)) {
      await this.#travel();
      throw new CutError(key);
    }
    const etag = await this.contents.put(key, body, condition);
    this.onWritten(key, body);
    if (this.#happens(this.#faults.storeUnavailable / 2)) throw new StoreUnavailableError(key);
    await this.#travel();
    return etag;
  }

  async *list(prefix: string): AsyncIterable<string> {
    await this.#travel();
    if (this.#happens(this.#faults.storeUnavailable / 2)) throw new StoreUnavailableError(prefix);
    for await (const key of this.contents.list(prefix)) {
      yield key;
      await this.#travel();
      if (this.#happens(this.#faults.storeCut)) throw new CutError(prefix);
    }
  }

  async delete(key: string): Promise<void> {
    await this.#travel();
    if (this.#happens(this.#faults.storeUnavailable / 2)) throw new StoreUnavailableError(key);
    await this.contents.delete(key);
    if (this.#happens(this.#faults.storeUnavailable / 2)) throw new StoreUnavailableError(key);
    await this.#travel();
  }

  async #travel(): Promise<void> {
    const slow = this.#happens(this.#faults.storeSlow)
      ? MOST_SLOW_MILLISECONDS * this.#random.uniform() ** 4
      : 0;
    await this.#clock.sleep(ANSWER_MILLISECONDS * this.#random.uniform() + slow);
  }

  #happens(probability: number): boolean {
    return this.#random.uniform() < probability;
  }
}
