import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { dequantize } from "../../../shared/quantization/arithmetic/affine.js";
import { channelView } from "../../../shared/quantization/arithmetic/channel-view.js";
import {
  codePairs,
  cutPairs,
  type InputLayout,
} from "../../../shared/quantization/arithmetic/paired-codes.js";
import { quantizeWeights } from "../../../shared/quantization/rewrite/weight-codes.js";
import type { TensorPlan } from "../../../shared/quantization/space/plan.js";
import { weightEstimator } from "../../../shared/quantization/space/range-estimator.js";

const plan = (mode: "symmetric" | "asymmetric", codes?: "int8_paired" | "int7"): TensorPlan => ({
  bits: 8,
  mode,
  granularity: "perchannel",
  estimator: weightEstimator("default", mode),
  ...(codes === undefined ? {} : { codes }),
});

describe("Pairs of codes", () => {
  test("of a Conv's filter are neighbouring channels at one position, continuing at the next position", () => {
    // Two filters of three channels and two positions: the inputs are in the order 0 2 4 1 3 5.
    assert.deepEqual([...codePairs([2, 3, 2], "filters")], [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
  });

  test("of a matrix are neighbouring inputs of an output; the last of an odd number has no partner", () => {
    assert.deepEqual([...codePairs([3, 2], "rows")], [0, 2, 1, 3]);
    assert.deepEqual([...codePairs([2, 3], "columns")], [0, 1, 3, 4]);
    assert.deepEqual([...codePairs([2, 2, 1], "rows")], [0, 1, 2, 3]);
  });
});

test("Both codes of a pair that is too large are reduced, by exactly the excess", () => {
  const cut = (a: number, b: number): number[] => {
    const codes = Int8Array.of(a, b);
    cutPairs(codes, Int32Array.of(0, 1));
    return [...codes];
  };
  assert.deepEqual(cut(127, 127), [64, 64]);
  assert.deepEqual(cut(-127, -101), [-77, -51]);
  assert.deepEqual(cut(127, -127), [127, -127]);
  assert.deepEqual(cut(127, 1), [127, 1]);
  assert.deepEqual(cut(3, 127), [2, 126]);
  assert.deepEqual(cut(-128, -1), [-128, 0]);
});

describe("Paired codes of any weights", () => {
  const weights = fc
    .tuple(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom<InputLayout>("filters", "columns"),
      fc.constantFrom<"symmetric" | "asymmetric">("symmetric", "asymmetric"),
      fc.boolean(),
    )
    .chain(([outputs, inputs, layout, mode, unified]) =>
      fc
        .array(fc.float({ min: -4, max: 4, noNaN: true }), {
          minLength: outputs * inputs,
          maxLength: outputs * inputs,
        })
        .map((values) => ({
          dims: [outputs, inputs],
          values: Float32Array.from(values),
          layout,
          mode,
          unified,
        })),
    );

  test("fit into 16 bits in pairs, and have at most the error of 7-bit codes", () => {
    fc.assert(
      fc.property(weights, ({ dims, values, layout, mode, unified }) => {
        const view = channelView(values, dims, 0);
        const pairs = codePairs(dims, layout);
        const isUnified = unified && mode === "asymmetric";
        const paired = quantizeWeights(view, plan(mode, "int8_paired"), isUnified, undefined, pairs);
        for (let p = 0; p < pairs.length; p += 2) {
          const [a, b] = [paired.codes[pairs[p]!]!, paired.codes[pairs[p + 1]!]!];
          if (a > 0 === b > 0) assert.ok(Math.abs(a) + Math.abs(b) <= 128, `${a} and ${b}`);
        }
        if (isUnified) assert.equal(new Set(paired.channels.map(({ zeroPoint }) => zeroPoint)).size, 1);
        const error = ({ codes, channels }: typeof paired): number =>
          values.reduce((sum, value, i) => {
            const channel = channels[Math.floor(i / dims[1]!)]!;
            return sum + (value - dequantize(codes[i]!, channel)) ** 2;
          }, 0);
        const seven = quantizeWeights(view, plan(mode, "int7"), isUnified);
        assert.ok(error(paired) <= 1.05 * error(seven) + 1e-9, `${error(paired)} and ${error(seven)}`);
      }),
      { seed: 11, numRuns: 300 },
    );
  });

  test("respect the smallest scales, and equal 8-bit codes where no pair is too large", () => {
    const values = Float32Array.of(1.27, 0.01, -0.5, 0.4);
    const view = channelView(values, [1, 4], 0);
    const pairs = codePairs([1, 4], "columns");
    const paired = plan("symmetric", "int8_paired");
    assert.deepEqual(
      quantizeWeights(view, paired, false, undefined, pairs),
      quantizeWeights(view, plan("symmetric")),
    );
    const { scale } = quantizeWeights(view, paired, false, [0.1], pairs).channels[0]!;
    assert.ok(scale >= 0.1 && scale < 0.1001, `${scale}`);
  });
});
