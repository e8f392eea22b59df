import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { quantileOfSorted } from "../../shared/statistics/quantile.js";

fc.configureGlobal({ seed: 6, numRuns: 500 });

/**
 * numpy's default quantile ("linear", method 7 of Hyndman and Fan) by its definition: the value at position q
 * (n - 1).
 */
function byDefinition(sorted: readonly number[], q: number): number {
  const position = q * (sorted.length - 1);
  const below = sorted[Math.floor(position)]!;
  const above = sorted[Math.ceil(position)]!;
  return below + (above - below) * (position - Math.floor(position));
}

test("quantiles equal those of numpy.quantile", () => {
  const values = [1, 2, 3, 4, 10];
  const expected = [1, 1.4, 3, 7.6, 10];
  [0, 0.1, 0.5, 0.9, 1].forEach((q, i) => {
    assert.ok(Math.abs(quantileOfSorted(values, q) - expected[i]!) < 1e-12);
  });
  assert.equal(quantileOfSorted([7], 0.3), 7);
});

test("quantiles equal the linear definition, for any length and probability", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, q) => {
        const sorted = [...values].sort((a, b) => a - b);
        const found = quantileOfSorted(sorted, q);
        assert.ok(Math.abs(found - byDefinition(sorted, q)) <= 1e-9 * Math.max(1, Math.abs(found)));
        assert.ok(found >= sorted[0]! && found <= sorted.at(-1)!);
      },
    ),
  );
});
