import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Affine, representableRange } from "../../../shared/quantization/arithmetic/affine.js";
import type { Mode } from "../../../shared/quantization/device/hardware.js";
import {
  activationAffines,
  unboundedReason,
} from "../../../shared/quantization/rewrite/activation-scales.js";
import type { TensorPlan } from "../../../shared/quantization/space/plan.js";
import { activationEstimator } from "../../../shared/quantization/space/range-estimator.js";
import { Histogram } from "../../../shared/statistics/histogram.js";
import { StatisticsTable } from "../../../shared/statistics/table.js";

function plan(mode: Mode, clippingValue?: number): TensorPlan {
  const { min, max } = activationEstimator("default", mode, "pertensor");
  const clipped = clippingValue === undefined ? max : { ...max, clippingValue };
  return { bits: 8, mode, granularity: "pertensor", estimator: { min: min!, max: clipped } };
}

/** Smallest and largest values of tensors, one pair per sample. */
function statistics(seen: Readonly<Record<string, readonly (readonly [number, number])[]>>): StatisticsTable {
  const columns = Object.keys(seen).flatMap((tensor) => [
    { tensor, statistic: "min" },
    { tensor, statistic: "max" },
  ]);
  const samples = Object.values(seen)[0]!.length;
  const rows = Array.from({ length: samples }, (_, i) =>
    Float32Array.from(Object.values(seen).flatMap((pairs) => pairs[i]!)),
  );
  return StatisticsTable.ofRows(columns, rows);
}

function quantizer(...sources: string[]) {
  return { id: sources[0]!, sources, tensors: sources };
}

function activationAffine(...asked: Parameters<typeof activationAffines>): Affine {
  const affines = activationAffines(...asked);
  assert.equal(affines.length, 1);
  return affines[0]!;
}

/** Tolerance for float32 scales times codes up to 255. */
const ROUNDING = 1e-5;

describe("The scale and zero point of an activation quantizer", () => {
  test("are those of the aggregated ends in symmetric and asymmetric mode", () => {
    const table = statistics({
      x: [
        [0, 10],
        [0, 8],
        [-1, 20],
      ],
    });
    const symmetric = activationAffine(quantizer("x"), plan("symmetric"), table);
    assert.equal(symmetric.zeroPoint, 128);
    assert.ok(Math.abs(representableRange(symmetric, 8).low + 12.7664042) < ROUNDING);
    assert.ok(Math.abs(representableRange(symmetric, 8).high - 12.6666667) < ROUNDING);
    const asymmetric = activationAffine(quantizer("x"), plan("asymmetric"), table);
    assert.equal(asymmetric.zeroPoint, 7);
    assert.ok(Math.abs(representableRange(asymmetric, 8).low + 0.3575268817) < ROUNDING);
    assert.ok(Math.abs(representableRange(asymmetric, 8).high - 12.6666667) < ROUNDING);
  });

  test("cover all sources of the quantizer, signed and unsigned ones", () => {
    const table = statistics({ a: [[0, 6]], b: [[-4.0315, 4]] });
    const affine = activationAffine(quantizer("a", "b"), plan("symmetric"), table);
    const { low, high } = representableRange(affine, 8);
    assert.ok(low <= -4.0315 + ROUNDING && high >= 6 - ROUNDING);
    assert.ok(affine.zeroPoint > 0 && affine.zeroPoint < 255);
  });

  test("end at a clipping value, or as little beyond it as moves zero onto a code (POT does not move zero)", () => {
    const table = statistics({ x: [[-1, 10]] });
    for (const mode of ["symmetric", "asymmetric"] as const) {
      const affine = activationAffine(quantizer("x"), plan(mode, 6), table);
      const { low, high } = representableRange(affine, 8);
      // Zero moves by at most half a code, and the upper end in proportion to the codes below zero.
      assert.ok(high >= 6 - affine.scale && high <= 6 * (1 + 1 / affine.zeroPoint));
      assert.ok(low <= -1 + ROUNDING);
      assert.ok(Number.isInteger(affine.zeroPoint));
    }
  });

  test("minimize the error over the histogram, with estimator types that do so", () => {
    const histogram = new Histogram();
    // A ramp up to 1 and a single outlier.
    histogram.add(Float32Array.from({ length: 100_000 }, (_, i) => (i === 0 ? 30 : i / 100_000)));
    const table = StatisticsTable.ofRows(
      [
        { tensor: "x", statistic: "min" },
        { tensor: "x", statistic: "max" },
      ],
      [Float32Array.of(0, 30)],
      [
        { tensor: "x", statistic: "histogram", histogram },
        { tensor: "x", statistic: "output_histogram", histogram },
      ],
    );
    for (const type of ["mse", "entropy", "output_mse"] as const) {
      for (const mode of ["symmetric", "asymmetric"] as const) {
        const estimator = activationEstimator(type, mode, "pertensor");
        const asked = { ...plan(mode), bits: 4, estimator } as const;
        const affine = activationAffine(quantizer("x"), asked, table);
        const { low, high } = representableRange(affine, 4);
        assert.ok(low === 0 && high >= 1 && high < 10, `${type}, ${mode}: ${high}`);
        assert.deepEqual(activationAffine(quantizer("x"), asked, table), affine, "asked again");
      }
    }
  });

  test("per channel equal those of the channel as a tensor, except for sign and floor, which depend on all", () => {
    // Channels of 0 to 10, 0 to 8, -1 to 20 and -2 to 6, and one that hardly moves.
    const lows = [0, 0, -1, -2, 0];
    const highs = [10, 8, 20, 6, 1e-3];
    const table = StatisticsTable.ofRows(
      [
        { tensor: "x", statistic: "min" },
        { tensor: "x", statistic: "channel_min.1", width: 5 },
        { tensor: "x", statistic: "channel_max.1", width: 5 },
      ],
      [Float32Array.of(-2, ...lows, ...highs), Float32Array.of(-0.5, ...lows, ...highs)],
    );
    const channelwise = { ...quantizer("x"), channels: 5 };
    const asked = (mode: Mode): TensorPlan => {
      const { min, max } = activationEstimator("default", mode, "perchannel");
      return { bits: 8, mode, granularity: "perchannel", estimator: { min: min!, max } };
    };
    const symmetric = activationAffines(channelwise, asked("symmetric"), table);
    assert.deepEqual(
      symmetric.map(({ zeroPoint }) => zeroPoint),
      [128, 128, 128, 128, 128],
    );
    // The last one is raised to 1 % of the widest.
    [10, 8, 20, 6, 0.2].forEach((magnitude, c) => {
      assert.ok(Math.abs(symmetric[c]!.scale - magnitude / 127) < ROUNDING, `channel ${c}`);
    });
    const asymmetric = activationAffines(channelwise, asked("asymmetric"), table);
    asymmetric.forEach((affine, c) => {
      const alone = statistics({ x: [[lows[c]!, highs[c]!]] });
      assert.deepEqual(affine, activationAffine(quantizer("x"), plan("asymmetric"), alone), `channel ${c}`);
    });
  });

  test("per channel minimize the error within the channel, for each type of error", () => {
    const histogramOf = (furthest: number) => {
      const histogram = new Histogram();
      histogram.add(Float32Array.from({ length: 50_000 }, (_, i) => (i === 0 ? furthest : i / 50_000)));
      return histogram;
    };
    const furthest = [30, 60];
    const histograms = furthest.map(histogramOf);
    const table = StatisticsTable.ofRows(
      [
        { tensor: "x", statistic: "min" },
        { tensor: "x", statistic: "channel_min.1", width: 2 },
        { tensor: "x", statistic: "channel_max.1", width: 2 },
      ],
      [Float32Array.of(0, 0, 0, 30, 60)],
      histograms.map((histogram, c) => ({ tensor: "x", statistic: `channel_histogram.1/${c}`, histogram })),
    );
    for (const type of ["mse", "entropy", "output_mse"] as const) {
      for (const mode of ["symmetric", "asymmetric"] as const) {
        const estimator = activationEstimator(type, mode, "perchannel");
        const asked = { bits: 4, mode, granularity: "perchannel", estimator } as const;
        const affines = activationAffines({ ...quantizer("x"), channels: 2 }, asked, table);
        affines.forEach((affine, c) => {
          const alone = StatisticsTable.ofRows(
            [
              { tensor: "x", statistic: "min" },
              { tensor: "x", statistic: "max" },
            ],
            [Float32Array.of(0, furthest[c]!)],
            ["histogram", "output_histogram"].map((statistic) => ({
              tensor: "x",
              statistic,
              histogram: histograms[c]!,
            })),
          );
          const ofTensor = activationEstimator(type, mode, "pertensor");
          const whole = { ...asked, granularity: "pertensor", estimator: ofTensor } as const;
          const expected = activationAffine(quantizer("x"), whole, alone);
          assert.deepEqual(affine, expected, `${type}, ${mode}, channel ${c}`);
        });
      }
    }
  });

  for (const value of [Number.NEGATIVE_INFINITY, Number.NaN]) {
    test(`are refused where a calibration statistic is ${value}`, () => {
      const table = statistics({ x: [[value, 1]] });
      const reason = `tensor "x" has the value ${value} on the calibration samples, which no scale can hold`;
      assert.equal(unboundedReason(quantizer("x"), plan("asymmetric"), table), reason);
      assert.throws(
        () => activationAffine(quantizer("x"), plan("asymmetric"), table),
        /tensor x is not finite/,
      );
    });
  }

  test("are refused where all values are too small for a scale, but not where all are zero", () => {
    const small = statistics({ x: [[-1e-20, 1e-21]], y: [[0, 2e-20]] });
    for (const mode of ["symmetric", "asymmetric"] as const) {
      assert.match(
        unboundedReason(quantizer("x", "y"), plan(mode), small) ?? "",
        /^no value of tensor "x" is larger than 2.0e-20 on the calibration samples/,
      );
      assert.equal(unboundedReason(quantizer("x"), plan(mode), statistics({ x: [[0, 0]] })), undefined);
      const wide = statistics({ x: [[-1e-20, 1e-21]], y: [[0, 1e-15]] });
      assert.equal(unboundedReason(quantizer("x", "y"), plan(mode), wide), undefined);
    }
  });
});
