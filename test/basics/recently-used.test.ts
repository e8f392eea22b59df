import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentlyUsed } from "../../shared/basics/recently-used.js";

test("the most recently read or written entries are kept", () => {
  const kept = new RecentlyUsed<string, number>(2);
  kept.set("a", 1);
  kept.set("b", 2);
  assert.equal(kept.get("a"), 1);
  kept.set("c", 3);
  assert.deepEqual([kept.get("a"), kept.get("b"), kept.get("c")], [1, undefined, 3]);
  kept.set("a", 4);
  kept.set("d", 5);
  assert.deepEqual([kept.get("a"), kept.get("c"), kept.get("d")], [4, undefined, 5]);
  kept.delete("a");
  assert.equal(kept.get("a"), undefined);
});
