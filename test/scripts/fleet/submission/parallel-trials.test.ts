import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { trialsSideBySide } from "../../../../scripts/fleet/submission/parallel-trials.js";

test("a run asks for a quarter more trials than it has evaluators, and two at least", () => {
  assert.deepEqual(trialsSideBySide(), { evaluators: 8, parallel: 10 });
  assert.deepEqual(trialsSideBySide(2), { evaluators: 2, parallel: 4 });
  assert.deepEqual(trialsSideBySide(100), trialsSideBySide());
});

test("no evaluator of a run is without a job in the queue, and none is asked for that the fleet has not", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), (concurrency) => {
      const { evaluators, parallel } = trialsSideBySide(concurrency);
      assert.ok(evaluators <= concurrency);
      assert.ok(parallel >= 1.25 * evaluators && parallel >= evaluators + 2);
    }),
  );
});
