import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { logSumExp } from "../../../shared/search/numerics/log-domain.js";

fc.configureGlobal({ seed: 32 });

test("logSumExp equals the plain sum where that is in range", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1 }), (values) => {
      const plain = Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0));
      assert.ok(Math.abs(logSumExp(values) - plain) < 1e-9);
    }),
  );
});

test("logSumExp stays finite where the plain sum vanishes", () => {
  assert.equal(logSumExp([-1000, -1000]), -1000 + Math.LN2);
});

test("logSumExp of an empty sum is -Infinity", () => {
  assert.equal(logSumExp([]), Number.NEGATIVE_INFINITY);
});
