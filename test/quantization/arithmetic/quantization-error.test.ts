import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { quantizationError } from "../../../shared/quantization/arithmetic/quantization-error.js";
import { Histogram } from "../../../shared/statistics/histogram.js";

fc.configureGlobal({ seed: 22, numRuns: 100 });

/** Number of points of a bin at which the error is evaluated, to compare with its integral. */
const POINTS = 400;

const values = fc
  .array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 1, maxLength: 40 })
  // With bins a billion times narrower than a step, the difference of two integrals would have no significant
  // digits.
  .map((list) => Float32Array.from(list, (value) => (Math.abs(value) < 0.01 ? 0 : value)));

const grids = fc
  .tuple(
    fc.integer({ min: -100, max: 0 }),
    fc.integer({ min: 1, max: 100 }),
    fc.constantFrom(3, 15, 254, 255),
  )
  .map(([low, high, top]) => ({ low: low / 10, high: high / 10, top }));

function bins(list: Float32Array) {
  const histogram = new Histogram();
  histogram.add(list);
  return histogram.occupied();
}

describe("Squared error", () => {
  test("equals that of values spread evenly over their bins", () => {
    fc.assert(
      fc.property(values, grids, (list, grid) => {
        const { width, lows, counts } = bins(list);
        const step = (grid.high - grid.low) / grid.top;
        let expected = 0;
        lows.forEach((low, bin) => {
          for (let i = 0; i < POINTS; i++) {
            const x = low + ((i + 0.5) / POINTS) * width;
            const code = Math.min(grid.top, Math.max(0, Math.round((x - grid.low) / step)));
            expected += (counts[bin]! / POINTS) * (grid.low + code * step - x) ** 2;
          }
        });
        const found = quantizationError("mse", { width, lows, counts }, grid);
        assert.ok(Math.abs(found - expected) <= 1e-3 * expected + 1e-9, `${found} is not ${expected}`);
        assert.equal(quantizationError("output_mse", { width, lows, counts }, grid), found);
      }),
    );
  });

  test("is a twelfth of a squared step per value, where values fill a range of fine steps", () => {
    const list = Float32Array.from({ length: 10_000 }, (_, i) => (i + 0.5) / 10_000);
    const found = quantizationError("mse", bins(list), { low: 0, high: 1, top: 15 });
    const expected = (10_000 * (1 / 15) ** 2) / 12;
    assert.ok(Math.abs(found / expected - 1) < 0.01);
  });
});

describe("Relative entropy", () => {
  test("is never negative, and infinite where steps are narrower than bins or the range contains no value", () => {
    fc.assert(
      fc.property(values, grids, (list, grid) => {
        const found = quantizationError("entropy", bins(list), grid);
        const narrow = (grid.high - grid.low) / grid.top < bins(list).width;
        assert.ok(narrow ? found === Number.POSITIVE_INFINITY : found >= -1e-9);
      }),
    );
    const apart = bins(Float32Array.of(100, 101));
    assert.equal(
      quantizationError("entropy", apart, { low: 0, high: 50, top: 15 }),
      Number.POSITIVE_INFINITY,
    );
  });

  test("is 0 where codes represent evenly filled bins, and grows with the share of clipped values", () => {
    const even = bins(Float32Array.from({ length: 4096 }, (_, i) => i + 0.5));
    const whole = quantizationError("entropy", even, { low: 0, high: 4096, top: 256 });
    const half = quantizationError("entropy", even, { low: 0, high: 2048, top: 256 });
    const quarter = quantizationError("entropy", even, { low: 0, high: 1024, top: 256 });
    assert.ok(Math.abs(whole) < 1e-9);
    assert.ok(whole < half && half < quarter);
  });
});
