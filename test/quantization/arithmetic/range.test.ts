import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { narrowSignedAffine, unsignedAffine } from "../../../shared/quantization/arithmetic/affine.js";
import {
  activationRanges,
  asymmetricRange,
  floorMagnitudes,
  narrowestRange,
  type Range,
  roundHalfEven,
  symmetricActivationRange,
  symmetricWeightRanges,
  unifiedRange,
  unifiedZeroPointRanges,
} from "../../../shared/quantization/arithmetic/range.js";

fc.configureGlobal({ seed: 2, numRuns: 500 });

/** The expected values are given to about ten digits. */
const PRINTED = 1e-9;

function assertRange(found: Range, low: number, high: number, tolerance = PRINTED): void {
  assert.ok(
    Math.abs(found.low - low) <= tolerance && Math.abs(found.high - high) <= tolerance,
    `[${found.low}, ${found.high}] is not [${low}, ${high}]`,
  );
}

function scaleOf({ low, high }: Range, bits: number): number {
  return (high - low) / (2 ** bits - 1);
}

/** Relative precision of float32. */
const SMALLEST_NORMAL = 2 ** -126;

function assertRelative({ low, high }: Range, expectedLow: number, expectedHigh: number, unit: number): void {
  assertRange({ low: low / unit, high: high / unit }, expectedLow, expectedHigh);
}

describe("Ranges equal those of POT on small examples", () => {
  test("symmetric, with negative values: one code more below zero", () => {
    const range = symmetricActivationRange(-1, 6.35, 8);
    assertRange(range, -6.4, 6.35);
    assert.ok(Math.abs(scaleOf(range, 8) - 0.05) < PRINTED);
  });

  test("symmetric, without negative values: unsigned", () => {
    const range = symmetricActivationRange(0, 6, 8);
    assertRange(range, 0, 6);
    assert.ok(Math.abs(scaleOf(range, 8) - 0.0235294118) < PRINTED);
  });

  for (const [number, min, max, bits, low, high, scale] of [
    ["3 (the lower end moves)", -1, 3, 8, -1.0052356021, 3, 0.0157068063],
    ["4 (the upper end moves)", -1.01, 3, 8, -1.01, 3.01421875, 0.01578125],
    ["5 (all positive)", 0.5, 2, 8, 0, 2, 0.0078431373],
    ["8 (zero on code 1)", -0.02, 6, 8, -0.0236220472, 6, 0.0236220472],
    ["9 (4 bit)", -1, 3, 4, -1.0909090909, 3, 0.2727272727],
  ] as const) {
    test(`asymmetric ${number}`, () => {
      const range = asymmetricRange(min, max, bits);
      assertRange(range, low, high);
      assert.ok(Math.abs(scaleOf(range, bits) - scale) < PRINTED);
    });
  }

  test("[-0.001, 6] becomes [0, 6], as QDQ needs zero on a code (POT leaves zero between two codes)", () => {
    assertRange(asymmetricRange(-0.001, 6, 8), 0, 6);
    assertRange(asymmetricRange(-6, 0.001, 8), -6, 0);
  });

  test("a degenerate range is widened to the narrowest one (POT has [-8.06e-4, 8e-4])", () => {
    const range = asymmetricRange(0, 0, 8);
    assert.deepEqual(range, { low: 0, high: narrowestRange(8) });
    assert.ok(Math.fround(scaleOf(range, 8) ** 2) >= SMALLEST_NORMAL);
  });

  test("no channel's range is narrower than a hundredth of the widest", () => {
    assert.deepEqual(floorMagnitudes([1, 0.5, 0.001], 8), [1, 0.5, 0.01]);
    assert.deepEqual(symmetricWeightRanges([1, 0.001], 8), [
      { low: -1, high: 1 },
      { low: -0.01, high: 0.01 },
    ]);
  });

  test("tiny weights keep their own range (POT has at least 8e-5)", () => {
    assert.deepEqual(floorMagnitudes([1e-6, 0], 8), [1e-6, 1e-8]);
    assert.deepEqual(floorMagnitudes([0, 0], 8), [narrowestRange(8), narrowestRange(8)]);
  });

  for (const magnitude of [1e-3, 1e-7, 1e-12, 1e-15]) {
    test(`values of ${magnitude} have a range of that width, in both modes`, () => {
      assertRelative(asymmetricRange(-magnitude, 3 * magnitude, 8), -1.0052356021, 3, magnitude);
      assertRelative(asymmetricRange(0.5 * magnitude, 2 * magnitude, 8), 0, 2, magnitude);
      assertRelative(symmetricActivationRange(-magnitude, 6.35 * magnitude, 8), -6.4, 6.35, magnitude);
      assertRelative(symmetricWeightRanges([magnitude], 8)[0]!, -1, 1, magnitude);
    });
  }

  test("the scale of a bias is a normal float32 for every width, whatever the ranges", () => {
    for (const width of [2, 4, 8, 16]) {
      const activation = unsignedAffine(symmetricActivationRange(0, 0, width), width).scale;
      const weight = narrowSignedAffine(symmetricWeightRanges([0], width)[0]!, width).scale;
      assert.ok(Math.fround(activation * weight) >= SMALLEST_NORMAL);
      assert.ok(Number.isFinite(Math.fround(1 / activation)));
    }
  });

  test("a unified range moves an end until zero lies on a code (POT leaves zero at 102.48 and 103.578)", () => {
    const first = unifiedRange(
      [
        { low: 0, high: 6 },
        { low: -4.0315, high: 4 },
      ],
      8,
    );
    // Of POT's [-4.0315, 6] the upper end moves to 153/102 of the lower one.
    assertRange(first, -4.0315, (4.0315 * 153) / 102);
    const second = unifiedRange(
      [
        { low: -2.1, high: 1 },
        { low: -1, high: 3.07 },
      ],
      8,
    );
    assertRange(second, (-3.07 * 104) / 151, 3.07);
  });

  test("several channels with one zero point", () => {
    const [first, second] = unifiedZeroPointRanges(
      [
        { low: -1, high: 1 },
        { low: -0.5, high: 1.5 },
      ],
      8,
    );
    assertRange(first!, -1, 1.65625);
    assertRange(second!, -0.9056603774, 1.5);
    assert.ok(Math.abs(scaleOf(first!, 8) - 0.0104166667) < PRINTED);
    assert.ok(Math.abs(scaleOf(second!, 8) - 0.0094339623) < PRINTED);
  });
});

test("ties round to even, as IEEE 754 does", () => {
  const found = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 2 ** 52 - 0.5].map(roundHalfEven);
  assert.deepEqual(found, [0, 2, 2, 0, -2, -2, 2 ** 52]);
  // A float32 plus 1.5 * 2^23, rounded to float32, has been rounded to an integer by the processor itself.
  const magic = 1.5 * 2 ** 23;
  fc.assert(
    fc.property(fc.float({ min: -(2 ** 20), max: 2 ** 20, noNaN: true }), (x) => {
      assert.equal(roundHalfEven(x) + 0, Math.fround(Math.fround(x + magic) - magic) + 0);
    }),
  );
});

/** Random float32 values in the range of activations and weights. */
const value = fc.float({ min: Math.fround(-1e6), max: Math.fround(1e6), noNaN: true });
const seen = fc.tuple(value, value).map(([a, b]) => ({ low: Math.min(a, b), high: Math.max(a, b) }));
const width = fc.constantFrom(2, 4, 8);

/** Relative tolerance: dividing two ends of a range loses a few units in the last place. */
const ROUNDING = 1e-9;

function assertZeroOnCode(range: Range, bits: number): void {
  const top = 2 ** bits - 1;
  const zero = -range.low / scaleOf(range, bits);
  assert.ok(Math.abs(zero - Math.round(zero)) < ROUNDING * top, `zero lies at ${zero}`);
  assert.ok(zero > -ROUNDING && zero < top + ROUNDING, `zero lies at ${zero}`);
}

describe("Properties of ranges", () => {
  test("zero lies on a code for any values, mode and width", () => {
    fc.assert(
      fc.property(seen, width, fc.constantFrom("symmetric", "asymmetric"), (range, bits, mode) => {
        const max = mode === "symmetric" ? Math.max(-range.low, range.high) : range.high;
        assertZeroOnCode(activationRanges(mode, [{ low: range.low, high: max }], bits)[0]!, bits);
      }),
    );
  });

  test("an asymmetric range contains all values, except for half a step where an end became zero", () => {
    fc.assert(
      fc.property(seen, width, ({ low, high }, bits) => {
        const range = asymmetricRange(low, high, bits);
        const slack = (0.5 + ROUNDING) * scaleOf(range, bits);
        assert.ok(range.low <= low + (range.low === 0 ? slack : 0) && range.low <= 0);
        assert.ok(range.high >= high - (range.high === 0 ? slack : 0) && range.high >= 0);
      }),
    );
  });

  test("a symmetric range contains the largest magnitude, and is unsigned without negative values", () => {
    fc.assert(
      fc.property(seen, width, ({ low, high }, bits) => {
        const magnitude = Math.max(-low, high, 0);
        const range = symmetricActivationRange(low, magnitude, bits);
        assert.ok(range.high >= magnitude);
        if (low >= 0) assert.equal(range.low, 0);
        else assert.ok(range.low <= -magnitude);
      }),
    );
  });

  test("a unified range contains every member, and equals them when all are equal", () => {
    fc.assert(
      fc.property(fc.array(seen, { minLength: 1, maxLength: 6 }), (members) => {
        const ranges = members.map(({ low, high }) => asymmetricRange(low, high, 8));
        const unified = unifiedRange(ranges, 8);
        const step = (0.5 + ROUNDING) * scaleOf(unified, 8);
        for (const { low, high } of ranges) {
          assert.ok(unified.low <= low + step && unified.high >= high - step);
        }
        assertZeroOnCode(unified, 8);
        assert.deepEqual(unifiedRange([unified, unified], 8), unified);
      }),
    );
  });

  test("a unified zero point preserves the values of a single channel of the other sign", () => {
    const positive = Array.from({ length: 600 }, () => ({ low: 0, high: 1 }));
    const ranges = unifiedZeroPointRanges([...positive, { low: -1, high: 0 }], 8);
    assertRange(ranges.at(-1)!, -1, 254);
    assertRange(ranges[0]!, -1 / 254, 1);
  });

  test("channels with a unified zero point share it, and values are off by at most half a step", () => {
    fc.assert(
      fc.property(fc.array(seen, { minLength: 1, maxLength: 8 }), width, (channels, bits) => {
        const ranges = unifiedZeroPointRanges(channels, bits);
        const zeros = ranges.map((range) => Math.round(-range.low / scaleOf(range, bits)));
        assert.equal(new Set(zeros).size, 1);
        ranges.forEach((range, c) => {
          assertZeroOnCode(range, bits);
          // Half a step of the range before its end became zero.
          const width = Math.max(channels[c]!.high, 0) - Math.min(channels[c]!.low, 0);
          const slack = (0.5 + ROUNDING) * (Math.max(width, narrowestRange(bits)) / (2 ** bits - 1));
          assert.ok(range.low <= channels[c]!.low + slack, `${range.low} cuts off ${channels[c]!.low}`);
          assert.ok(range.high >= channels[c]!.high - slack, `${range.high} cuts off ${channels[c]!.high}`);
        });
      }),
    );
  });
});

describe("Fewer levels than a width has", () => {
  const levels = { levels: 255 };

  test("an odd number has zero in the middle: GNA3's -127 to 127", () => {
    assertRange(symmetricActivationRange(-1, 6.35, levels), -6.35, 6.35);
    assertRange(symmetricActivationRange(0, 6.35, levels, true), -6.35, 6.35);
    assertRange(symmetricActivationRange(0, 6.35, levels), 0, 6.35);
  });

  test("the full number of levels equals the width", () => {
    fc.assert(
      fc.property(seen, width, ({ low, high }, bits) => {
        assert.deepEqual(asymmetricRange(low, high, { levels: 2 ** bits }), asymmetricRange(low, high, bits));
      }),
    );
  });

  test("zero lies on one of them", () => {
    fc.assert(
      fc.property(seen, fc.integer({ min: 3, max: 300 }), ({ low, high }, count) => {
        const range = asymmetricRange(low, high, { levels: count });
        const zero = (-range.low * (count - 1)) / (range.high - range.low);
        assert.ok(Math.abs(zero - Math.round(zero)) < ROUNDING * count);
      }),
    );
  });
});
