import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { shardRange, shardSchema, storeKeySchema } from "../../shared/basics/identifiers.js";

fc.configureGlobal({ seed: 39 });

test("shards cover every sample once, in order, and their sizes differ by at most one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 0, max: 5_000 }), (count, samples) => {
      let end = 0;
      const sizes: number[] = [];
      for (let index = 0; index < count; index++) {
        const range = shardRange({ index, count }, samples);
        assert.equal(range.start, end);
        end = range.end;
        sizes.push(range.end - range.start);
      }
      assert.equal(end, samples);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
    }),
  );
});

test("a shard's index lies below its count", () => {
  assert.equal(shardSchema.safeParse({ index: 2, count: 2 }).success, false);
  assert.equal(shardSchema.safeParse({ index: 1, count: 2 }).success, true);
});

test("keys in messages cannot leave the store", () => {
  for (const key of ["../x", "a/../../b", "/etc", "a//b", ""])
    assert.equal(storeKeySchema.safeParse(key).success, false, key);
});
