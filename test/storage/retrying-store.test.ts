import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  PreconditionFailedError,
  StoreUnavailableError,
  WriteConflictError,
} from "../../shared/storage/errors.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import type { PutCondition } from "../../shared/storage/object-store.js";
import { putImmutable, RetryingObjectStore } from "../../shared/storage/retrying-store.js";
import { describeObjectStore } from "./object-store-conformance.js";

const policy = { attempts: 4, pauseMilliseconds: 100, sleep: async () => {} };

describeObjectStore(
  "retrying, over memory",
  async () => new RetryingObjectStore(new MemoryObjectStore(), policy),
);

/** Fails the first writes; with `applied`, after carrying them out. */
class FlakyStore extends MemoryObjectStore {
  puts = 0;
  constructor(
    readonly failures: number,
    readonly failure: (key: string) => Error,
    readonly applied: boolean,
  ) {
    super();
  }
  override async put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
    const fails = ++this.puts <= this.failures;
    if (fails && !this.applied) throw this.failure(key);
    const etag = await super.put(key, body, condition);
    if (fails) throw this.failure(key);
    return etag;
  }
}

const unavailable = (key: string): Error => new StoreUnavailableError(key);
const conflict = (key: string): Error => new WriteConflictError(key);

describe("retrying object store", () => {
  for (const failure of [unavailable, conflict])
    test(`repeats after a ${failure("key").name}, with doubled pauses`, async () => {
      const pauses: number[] = [];
      const flaky = new FlakyStore(3, failure, false);
      const store = new RetryingObjectStore(flaky, {
        ...policy,
        sleep: async (milliseconds) => void pauses.push(milliseconds),
      });
      await store.put("key", Buffer.from("x"));
      assert.deepEqual(pauses, [100, 200, 400]);
      assert.equal((await store.get("key"))?.body.length, 1);
    });

  test("gives up after its attempts, with the store's error", async () => {
    const flaky = new FlakyStore(4, unavailable, false);
    const store = new RetryingObjectStore(flaky, policy);
    await assert.rejects(store.put("key", Buffer.from("x")), StoreUnavailableError);
    assert.equal(flaky.puts, 4);
  });

  test("does not repeat a failed condition", async () => {
    const flaky = new FlakyStore(0, unavailable, false);
    const store = new RetryingObjectStore(flaky, policy);
    await assert.rejects(store.put("key", Buffer.from("x"), { ifMatch: "other" }), PreconditionFailedError);
    assert.equal(flaky.puts, 1);
  });

  test("an immutable write whose answer was lost is stored nevertheless", async () => {
    const store = new RetryingObjectStore(new FlakyStore(1, unavailable, true), policy);
    // The second answer does not show whose write it was.
    assert.equal(await putImmutable(store, "key", Buffer.from("x")), false);
    assert.equal(await putImmutable(store, "other", Buffer.from("x")), true);
    assert.equal((await store.get("key"))?.body.length, 1);
  });
});
