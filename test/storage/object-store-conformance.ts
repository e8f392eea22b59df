import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InvalidKeyError, PreconditionFailedError, WriteConflictError } from "../../shared/storage/errors.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (body: Uint8Array | undefined): string | undefined =>
  body === undefined ? undefined : Buffer.from(body).toString();

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list(prefix)) keys.push(key);
  return keys;
}

/** Conformance suite of ObjectStore, run against each adapter. */
export function describeObjectStore(adapter: string, open: () => Promise<ObjectStore>): void {
  describe(`object store: ${adapter}`, () => {
    test("returns what was put, with the etag that put returned", async () => {
      const store = await open();
      const etag = await store.put("a/b.json", bytes("hello"));
      const stored = await store.get("a/b.json");
      assert.equal(text(stored?.body), "hello");
      assert.equal(stored?.etag, etag);
    });

    test("returns undefined for objects that do not exist", async () => {
      const store = await open();
      assert.equal(await store.get("absent"), undefined);
      await store.put("folder/file", bytes("x"));
      assert.equal(await store.get("folder/other"), undefined);
      await store.delete("absent");
    });

    test("keeps empty objects and bytes of every value", async () => {
      const store = await open();
      const all = Uint8Array.from({ length: 256 }, (_, i) => i);
      await store.put("empty", new Uint8Array());
      await store.put("all", all);
      assert.equal((await store.get("empty"))?.body.length, 0);
      assert.deepEqual(Uint8Array.from((await store.get("all"))?.body ?? []), all);
    });

    test("reads ranges, cut to the object's end", async () => {
      const store = await open();
      await store.put("digits", bytes("0123456789"));
      assert.equal(text((await store.get("digits", { start: 2, end: 5 }))?.body), "234");
      assert.equal(text((await store.get("digits", { start: 8, end: 99 }))?.body), "89");
    });

    test("overwrites without a condition and changes the etag with the content", async () => {
      const store = await open();
      const first = await store.put("key", bytes("one"));
      const second = await store.put("key", bytes("two"));
      assert.notEqual(first, second);
      assert.equal(text((await store.get("key"))?.body), "two");
    });

    test("does not create an existing object", async () => {
      const store = await open();
      await store.put("key", bytes("first"), { ifNoneMatch: true });
      await assert.rejects(store.put("key", bytes("second"), { ifNoneMatch: true }), PreconditionFailedError);
      assert.equal(text((await store.get("key"))?.body), "first");
    });

    test("replaces an object only if its etag matches", async () => {
      const store = await open();
      const first = await store.put("key", bytes("one"));
      const second = await store.put("key", bytes("two"), { ifMatch: first });
      await assert.rejects(store.put("key", bytes("three"), { ifMatch: first }), PreconditionFailedError);
      assert.equal(text((await store.get("key"))?.body), "two");
      await store.put("key", bytes("three"), { ifMatch: second });
      assert.equal(text((await store.get("key"))?.body), "three");
    });

    test("does not replace an object that does not exist", async () => {
      const store = await open();
      await assert.rejects(store.put("absent", bytes("x"), { ifMatch: "any" }), PreconditionFailedError);
      assert.equal(await store.get("absent"), undefined);
    });

    test("creates a deleted object again", async () => {
      const store = await open();
      await store.put("key", bytes("one"), { ifNoneMatch: true });
      await store.delete("key");
      assert.equal(await store.get("key"), undefined);
      await store.put("key", bytes("two"), { ifNoneMatch: true });
      assert.equal(text((await store.get("key"))?.body), "two");
    });

    test("lets exactly one of several concurrent writers create an object", async () => {
      const store = await open();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => store.put("race", bytes(`writer ${i}`), { ifNoneMatch: true })),
      );
      const winners = outcomes.flatMap((outcome, i) => (outcome.status === "fulfilled" ? [i] : []));
      assert.equal(winners.length, 1);
      assert.equal(text((await store.get("race"))?.body), `writer ${winners[0]}`);
    });

    test("loses no increment of concurrent compare-and-swaps", async () => {
      const store = await open();
      await store.put("counter", bytes("0"));
      const increment = async (): Promise<void> => {
        for (;;) {
          const stored = await store.get("counter");
          assert.ok(stored);
          try {
            const next = Number(text(stored.body)) + 1;
            await store.put("counter", bytes(`${next}`), { ifMatch: stored.etag });
            return;
          } catch (error) {
            const lost = error instanceof PreconditionFailedError || error instanceof WriteConflictError;
            if (!lost) throw error;
          }
        }
      };
      await Promise.all(Array.from({ length: 8 }, increment));
      assert.equal(text((await store.get("counter"))?.body), "8");
    });

    test("lists the keys with a prefix in order, and nothing else", async () => {
      const store = await open();
      const keys = ["runs/a/state.json", "runs/a-b", "runs/a/trials/1", "runs/b", "run"];
      for (const key of keys) await store.put(key, bytes(key));
      assert.deepEqual(await keysOf(store, "runs/"), [
        "runs/a-b",
        "runs/a/state.json",
        "runs/a/trials/1",
        "runs/b",
      ]);
      assert.deepEqual(await keysOf(store, "runs/a/"), ["runs/a/state.json", "runs/a/trials/1"]);
      assert.deepEqual(await keysOf(store, "none/"), []);
    });

    test("lists more keys than a page holds", async () => {
      const store = await open();
      const keys = Array.from({ length: 1_050 }, (_, i) => `many/${String(i).padStart(4, "0")}`);
      const memory = bytes("x");
      for (let start = 0; start < keys.length; start += 50)
        await Promise.all(
          keys.slice(start, start + 50).map((key) => store.put(key, memory, { ifNoneMatch: true })),
        );
      assert.deepEqual(await keysOf(store, "many/"), keys);
    });

    test("does not change when the caller changes its buffer", async () => {
      const store = await open();
      const body = bytes("before");
      await store.put("key", body);
      body.fill(0);
      assert.equal(text((await store.get("key"))?.body), "before");
    });

    for (const key of [
      "",
      "/a",
      "a/",
      "a//b",
      "../a",
      "a/../b",
      ".hidden",
      "a/.b",
      "a b",
      "a\\b",
      "ä",
      "x".repeat(600),
    ])
      test(`refuses the key ${JSON.stringify(key.slice(0, 12))}`, async () => {
        const store = await open();
        await assert.rejects(store.put(key, bytes("x")), InvalidKeyError);
        await assert.rejects(store.get(key), InvalidKeyError);
        await assert.rejects(store.delete(key), InvalidKeyError);
      });
  });
}
