import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { leastErrorRange } from "../../../shared/quantization/arithmetic/least-error-range.js";
import { quantizationError } from "../../../shared/quantization/arithmetic/quantization-error.js";
import {
  asymmetricRange,
  type Range,
  symmetricActivationRange,
} from "../../../shared/quantization/arithmetic/range.js";
import { Histogram } from "../../../shared/statistics/histogram.js";
import { ERROR_TYPES } from "../../../shared/statistics/statistic-type.js";

fc.configureGlobal({ seed: 23, numRuns: 100 });

const values = fc
  .array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 50 })
  .map((list) => Float32Array.from(list));

function bins(list: Float32Array) {
  const histogram = new Histogram();
  histogram.add(list);
  return histogram.occupied();
}

describe("The range of least error", () => {
  for (const type of ERROR_TYPES) {
    test(`${type}: has at most the error of the range from smallest to largest value, and is never wider`, () => {
      fc.assert(
        fc.property(values, fc.constantFrom(4, 8), fc.boolean(), (list, bits, symmetric) => {
          const occupied = bins(list);
          const magnitude = Math.max(...list.map(Math.abs));
          const seen = symmetric
            ? { low: Math.min(...list), high: magnitude }
            : { low: Math.min(...list), high: Math.max(...list) };
          const build = ({ low, high }: Range) =>
            symmetric ? symmetricActivationRange(low, high, bits) : asymmetricRange(low, high, bits);
          const error = (range: Range) =>
            quantizationError(type, occupied, { ...build(range), top: 2 ** bits - 1 });
          const found = leastErrorRange(seen, { low: !symmetric, high: true }, error);
          assert.ok(error(found) <= error(seen));
          assert.ok(Math.abs(found.low) <= Math.abs(seen.low) && Math.abs(found.high) <= Math.abs(seen.high));
          if (symmetric) assert.equal(found.low, seen.low);
        }),
      );
    });
  }

  test("mse clips a single outlier that would cost all other values their resolution", () => {
    const many = Float32Array.from({ length: 100_000 }, (_, i) => (i / 100_000) * 2 - 1);
    const occupied = bins(Float32Array.of(...many.subarray(0, 50_000), ...many.subarray(50_000), 20));
    const error = ({ low, high }: Range) =>
      quantizationError("mse", occupied, { ...asymmetricRange(low, high, 4), top: 15 });
    const { low, high } = leastErrorRange({ low: -1, high: 20 }, { low: true, high: true }, error);
    assert.ok(low <= -0.8 && high < 5, `[${low}, ${high}]`);
    // The best candidate of a grid ten times as fine, with one end free.
    const best = Math.min(
      ...Array.from({ length: 560 }, (_, i) => error({ low, high: 20 * 2 ** (-i / 80) })),
    );
    assert.ok(error({ low, high }) <= 1.02 * best);
  });

  test("an end that is not free stays unchanged", () => {
    const moved = leastErrorRange(
      { low: -4, high: 4 },
      { low: false, high: true },
      ({ high, low }) => high - low,
    );
    assert.equal(moved.low, -4);
    assert.ok(moved.high < 0.1);
  });
});
