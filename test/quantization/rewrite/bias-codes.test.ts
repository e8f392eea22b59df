import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { channelView } from "../../../shared/quantization/arithmetic/channel-view.js";
import {
  exactBias,
  quantizeBias,
  smallestWeightScales,
} from "../../../shared/quantization/rewrite/bias-codes.js";
import { quantizeWeights } from "../../../shared/quantization/rewrite/weight-codes.js";
import type { TensorPlan } from "../../../shared/quantization/space/plan.js";
import { weightEstimator } from "../../../shared/quantization/space/range-estimator.js";

fc.configureGlobal({ seed: 5, numRuns: 500 });

const PLAN: TensorPlan = {
  bits: 8,
  mode: "symmetric",
  granularity: "perchannel",
  estimator: weightEstimator("default", "symmetric"),
};

describe("A bias as 32-bit codes", () => {
  test("has the scale of the products to which it is added", () => {
    const { codes, scales } = quantizeBias(Float32Array.of(1, -2), 0.5, [0.25, 0.125]);
    assert.deepEqual([...scales], [0.125, 0.0625]);
    assert.deepEqual([...codes], [8, -32]);
  });

  test("has a single scale where the weights have one", () => {
    const { codes, scales } = quantizeBias(Float32Array.of(1, -2), 0.5, [0.25]);
    assert.deepEqual([...scales], [0.125]);
    assert.deepEqual([...codes], [8, -16]);
  });

  test("fits with an error of half a step if the weight scales are at least the smallest ones", () => {
    const value = fc.float({ min: Math.fround(-1e6), max: Math.fround(1e6), noNaN: true });
    fc.assert(
      fc.property(
        fc.array(fc.record({ bias: value, weight: fc.float({ min: -1, max: 1, noNaN: true }) }), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.float({ min: Math.fround(1e-6), max: 10, noNaN: true }),
        (channels, inputScale) => {
          const bias = Float32Array.from(channels, (channel) => channel.bias);
          const weights = Float32Array.from(channels, (channel) => channel.weight);
          const view = channelView(weights, [weights.length, 1], 0);
          const smallest = smallestWeightScales(bias, inputScale);
          const quantized = quantizeWeights(view, PLAN, false, smallest);
          const weightScales = quantized.channels.map(({ scale }) => scale);
          const { codes, scales } = quantizeBias(bias, inputScale, weightScales);
          codes.forEach((code, c) => {
            const step = scales[c]!;
            // Half a step, plus the float32 rounding of the scale, multiplied by codes near 2^31.
            const allowed = step / 2 + Math.abs(bias[c]!) * 2 ** -22;
            assert.ok(Math.abs(code * step - bias[c]!) <= allowed);
          });
        },
      ),
    );
  });

  test("would not fit with the weights' own scales, which is why they are raised", () => {
    const bias = Float32Array.of(1000);
    const own = quantizeBias(bias, 1e-6, [1e-6]);
    assert.ok(Math.abs(own.codes[0]! * own.scales[0]!) < 0.01);
    const raised = quantizeBias(bias, 1e-6, [smallestWeightScales(bias, 1e-6)[0]! * (1 + 1e-6)]);
    assert.ok(Math.abs(raised.codes[0]! * raised.scales[0]! - 1000) < 1e-3);
  });
});

describe("An exact bias for float arithmetic", () => {
  const value = fc.float({ min: Math.fround(-1e6), max: Math.fround(1e6), noNaN: true });

  test("is exact for values down to 1/128 of the largest, and has an error of 2^-32 of the largest below that", () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 20 }), (values) => {
        const bias = Float32Array.from(values);
        const { codes, scale } = exactBias(bias);
        const largest = Math.max(...bias.map(Math.abs));
        assert.ok(Number.isInteger(Math.log2(scale)));
        bias.forEach((each, i) => {
          const back = Math.fround(Math.fround(codes[i]!) * scale);
          if (Math.abs(each) >= Math.max(largest / 128, 2 ** -102)) assert.equal(back + 0, each + 0);
          else assert.ok(Math.abs(back - each) <= Math.max(largest * 2 ** -31, 2 ** -126));
        });
      }),
    );
  });

  test("of zeros is zero", () => {
    assert.deepEqual([...exactBias(new Float32Array(3)).codes], [0, 0, 0]);
  });
});
