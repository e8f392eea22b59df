import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { defaultParallelTrials } from "../../../../scripts/fleet/submission/parallel-trials.js";

test("a run has a quarter more parallel trials than evaluators, at least two more", () => {
  assert.deepEqual(defaultParallelTrials(), { evaluators: 8, parallel: 10 });
  assert.deepEqual(defaultParallelTrials(2), { evaluators: 2, parallel: 4 });
  assert.deepEqual(defaultParallelTrials(100), defaultParallelTrials());
});

test("there are more parallel trials than evaluators, and no more evaluators than the fleet has", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), (concurrency) => {
      const { evaluators, parallel } = defaultParallelTrials(concurrency);
      assert.ok(evaluators <= concurrency);
      assert.ok(parallel >= 1.25 * evaluators && parallel >= evaluators + 2);
    }),
  );
});
