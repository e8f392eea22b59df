import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { StoreUnavailableError } from "../../shared/storage/errors.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { PortObjectStore, serveObjectStore } from "../../shared/storage/port-store.js";
import { describeObjectStore } from "./object-store-conformance.js";

function throughPort(store: ObjectStore): ObjectStore {
  const { port1, port2 } = new MessageChannel();
  after(() => port1.close());
  serveObjectStore(store, port1);
  return new PortObjectStore(port2);
}

describeObjectStore("another thread's", async () => throughPort(new MemoryObjectStore()));

class FailingStore extends MemoryObjectStore {
  override async get(key: string): Promise<undefined> {
    if (key === "busy") throw new StoreUnavailableError(key);
    throw new Error("the call failed");
  }
}

describe("A store of another thread", () => {
  test("passes on errors", async () => {
    const store = throughPort(new FailingStore());
    await assert.rejects(store.get("busy"), StoreUnavailableError);
    await assert.rejects(store.get("other"), { message: "the call failed" });
  });

  test("answers many concurrent calls", async () => {
    const store = throughPort(new MemoryObjectStore());
    const keys = Array.from({ length: 50 }, (_, i) => `key-${i}`);
    await Promise.all(keys.map((key) => store.put(key, Buffer.from(key))));
    const read = await Promise.all(keys.map((key) => store.get(key)));
    assert.deepEqual(
      read.map((stored) => Buffer.from(stored?.body ?? []).toString()),
      keys,
    );
  });
});
