import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activationAffine } from "../../shared/quantization/activation-scales.js";
import { representableRange } from "../../shared/quantization/affine.js";
import type { Mode } from "../../shared/quantization/hardware.js";
import type { TensorPlan } from "../../shared/quantization/plan.js";
import { activationEstimator } from "../../shared/quantization/range-estimator.js";
import { Histogram } from "../../shared/statistics/histogram.js";
import { StatisticsTable } from "../../shared/statistics/table.js";

function plan(mode: Mode, clippingValue?: number): TensorPlan {
  const { min, max } = activationEstimator("default", mode, "pertensor");
  const clipped = clippingValue === undefined ? max : { ...max, clippingValue };
  return { bits: 8, mode, granularity: "pertensor", estimator: { min: min!, max: clipped } };
}

/** Smallest and largest values of tensors, a pair a sample. */
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

/** float32 scales times codes up to 255. */
const ROUNDING = 1e-5;

describe("The scale and zero point of an activation quantizer", () => {
  test("17: symmetric and asymmetric of the same three samples", () => {
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

  test("cover all sources of a group, the signed with the unsigned", () => {
    const table = statistics({ a: [[0, 6]], b: [[-4.0315, 4]] });
    const affine = activationAffine(quantizer("a", "b"), plan("symmetric"), table);
    const { low, high } = representableRange(affine, 8);
    assert.ok(low <= -4.0315 + ROUNDING && high >= 6 - ROUNDING);
    assert.ok(affine.zeroPoint > 0 && affine.zeroPoint < 255);
  });

  test("end at a clipping value, or as far beyond as brings zero onto a code (POT leaves it beside one)", () => {
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

  test("end where the error over the histogram is least, with types that ask for it", () => {
    const histogram = new Histogram();
    // A ramp up to 1 and a single value far out.
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

  for (const value of [Number.NEGATIVE_INFINITY, Number.NaN]) {
    test(`are refused where calibration saw ${value}`, () => {
      const table = statistics({ x: [[value, 1]] });
      assert.throws(() => activationAffine(quantizer("x"), plan("asymmetric"), table), {
        code: "MODEL",
        message: `Calibration saw ${value} in tensor "x", which no scale can hold; put the ops that read it into \`ignored\`.`,
      });
    });
  }
});
