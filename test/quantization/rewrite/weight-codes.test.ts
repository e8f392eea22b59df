import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { channelView } from "../../../shared/quantization/arithmetic/channel-view.js";
import type { Mode } from "../../../shared/quantization/device/hardware.js";
import { quantizeWeights, weightRanges } from "../../../shared/quantization/rewrite/weight-codes.js";
import type { TensorPlan } from "../../../shared/quantization/space/plan.js";
import { type RangeEstimator, weightEstimator } from "../../../shared/quantization/space/range-estimator.js";
import type { StatisticType } from "../../../shared/statistics/statistic-type.js";

fc.configureGlobal({ seed: 4, numRuns: 200 });

function plan(mode: Mode, max?: StatisticType, outlierProb?: number): TensorPlan {
  const preset = weightEstimator("default", mode);
  const chosen = max === undefined ? preset.max : { type: max, outlierProb: outlierProb ?? 0 };
  return { bits: 8, mode, granularity: "perchannel", estimator: { ...preset, max: chosen } };
}

describe("Quantized weights equal those of POT on small examples", () => {
  test("scales per channel, with the floor", () => {
    const view = channelView(Float32Array.of(1, 0.5, 0.001), [3, 1], 0);
    const scales = quantizeWeights(view, plan("symmetric")).channels.map(({ scale }) => scale);
    assert.deepEqual(scales, [1 / 127, 0.5 / 127, 0.01 / 127].map(Math.fround));
  });

  test("tiny weights keep their own scale (POT has that of 8e-5)", () => {
    const view = channelView(Float32Array.of(1e-6, 0), [2, 1], 0);
    const { codes, channels } = quantizeWeights(view, plan("symmetric"));
    assert.deepEqual([...codes], [127, 0]);
    assert.ok(Math.abs(channels[0]!.scale / (1e-6 / 127) - 1) < 1e-6);
  });

  test("4-bit weights use codes -7 to 7", () => {
    const view = channelView(Float32Array.of(-0.7, -0.34, 0, 0.3, 0.7), [5], undefined);
    const { codes, channels } = quantizeWeights(view, { ...plan("symmetric"), bits: 4 });
    assert.deepEqual([...codes], [-7, -3, 0, 3, 7]);
    assert.equal(channels[0]!.scale, Math.fround(0.1));
  });

  test("a channel's largest weight has code 127", () => {
    const view = channelView(Float32Array.of(0.3, -0.71), [1, 2, 1, 1], 0);
    const { codes, channels } = quantizeWeights(view, plan("symmetric"));
    assert.deepEqual([...codes], [54, -127]);
    assert.ok(Math.abs(54 * channels[0]!.scale - 0.3018897638) < 1e-8);
  });
});

/** An arbitrary tensor of up to four axes, and a channel axis. */
const tensor = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }).chain((dims) => {
  const size = dims.reduce((product, dim) => product * dim, 1);
  return fc.record({
    dims: fc.constant(dims),
    axis: fc.option(fc.integer({ min: 0, max: dims.length - 1 }), { nil: undefined }),
    values: fc
      .array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: size, maxLength: size })
      .map((values) => Float32Array.from(values)),
  });
});

/** The coordinate of an element along an axis, from its row-major index. */
function coordinate(element: number, dims: readonly number[], axis: number | undefined): number {
  if (axis === undefined) return 0;
  let rest = element;
  let found = 0;
  for (let a = dims.length - 1; a >= 0; a--) {
    if (a === axis) found = rest % dims[a]!;
    rest = Math.floor(rest / dims[a]!);
  }
  return found;
}

describe("Compared with an element-by-element implementation", () => {
  test("every element belongs to the channel of its own coordinate, whatever the axis", () => {
    fc.assert(
      fc.property(tensor, ({ dims, axis, values }) => {
        const view = channelView(values, dims, axis);
        assert.equal(view.channels, axis === undefined ? 1 : dims[axis]);
        values.forEach((_, i) => {
          assert.equal(Math.floor(i / view.inner) % view.channels, coordinate(i, dims, axis));
        });
      }),
    );
  });

  for (const mode of ["symmetric", "asymmetric"] as const) {
    test(`${mode}: codes, scales and zero points of every channel`, () => {
      fc.assert(
        fc.property(tensor, fc.boolean(), ({ dims, axis, values }, unified) => {
          const asked = plan(mode);
          const view = channelView(values, dims, axis);
          const { codes, channels } = quantizeWeights(view, asked, unified);
          const ranges = weightRanges(view, asked, unified);
          const [bottom, top] = mode === "symmetric" ? [-127, 127] : [-128, 127];
          values.forEach((value, i) => {
            const c = coordinate(i, dims, axis);
            const { scale, zeroPoint } = channels[c]!;
            const code = codes[i]!;
            assert.ok(code >= bottom && code <= top);
            const { low, high } = ranges[c]!;
            const nearest = Math.min(Math.max(value, low), high);
            // Half a step, plus the float32 rounding of the scale, multiplied by the code.
            assert.ok(Math.abs((code - zeroPoint) * scale - nearest) <= scale * (0.5 + 1e-4));
          });
          if (unified && mode === "asymmetric") {
            assert.equal(new Set(channels.map(({ zeroPoint }) => zeroPoint)).size, 1);
          }
        }),
      );
    });

    test(`${mode}: each channel's range equals that of the channel alone, except for the floor`, () => {
      fc.assert(
        fc.property(tensor, ({ dims, axis, values }) => {
          const ranges = weightRanges(channelView(values, dims, axis), plan(mode));
          const widest = Math.max(...ranges.map(({ high }) => high));
          ranges.forEach((range, c) => {
            const own = values.filter((_, i) => coordinate(i, dims, axis) === c);
            const [alone] = weightRanges(channelView(own, [own.length], undefined), plan(mode));
            const floored = mode === "symmetric" && range.high <= 0.01 * widest;
            if (!floored) assert.deepEqual(range, alone);
          });
        }),
      );
    });
  }

  test("a quantile of magnitudes clips that share of a channel's weights", () => {
    const values = Float32Array.from({ length: 101 }, (_, i) => (i - 50) / 10);
    const [range] = weightRanges(
      channelView(values, [101], undefined),
      plan("symmetric", "abs_quantile", 0.02),
    );
    // Every magnitude but zero occurs twice: the 99th of 101 in ascending order is 4.9.
    assert.ok(Math.abs(range!.high - 4.9) < 1e-6);
  });

  for (const mode of ["symmetric", "asymmetric"] as const) {
    test(`${mode}: mse with 4 bits clips an outlier`, () => {
      const values = Float32Array.from({ length: 1000 }, (_, i) => (i === 0 ? 8 : Math.sin(i)));
      const view = channelView(values, [1000], undefined);
      const error = (estimator: RangeEstimator) => {
        const { codes, channels } = quantizeWeights(view, { ...plan(mode), bits: 4, estimator });
        const { scale, zeroPoint } = channels[0]!;
        return values.reduce((sum, value, i) => sum + (value - scale * (codes[i]! - zeroPoint)) ** 2, 0);
      };
      assert.ok(error(weightEstimator("mse", mode)) < 0.7 * error(weightEstimator("default", mode)));
      // For weights output_mse equals mse.
      assert.equal(error(weightEstimator("output_mse", mode)), error(weightEstimator("mse", mode)));
    });
  }

  test("scales are at least the smallest ones given, and the codes are those of the larger scale", () => {
    const view = channelView(Float32Array.of(1, -1, 1, -0.5), [2, 2], 0);
    const { codes, channels } = quantizeWeights(view, plan("symmetric"), false, [0.25, 0]);
    assert.ok(channels[0]!.scale >= 0.25 && channels[0]!.scale < 0.2501);
    assert.equal(channels[1]!.scale, Math.fround(1 / 127));
    assert.deepEqual([...codes], [4, -4, 127, -64]);
  });
});
