import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { dequantize } from "../../../shared/quantization/affine.js";
import {
  type QuadraticForm,
  quadraticForms,
  roundToForms,
} from "../../../shared/quantization/algorithms/adaptive-rounding.js";
import { weightEstimator } from "../../../shared/quantization/range-estimator.js";
import { codeLimits, quantizeWeights, type WeightCodes } from "../../../shared/quantization/weight-codes.js";
import { RandomValues } from "../../fixtures/models/random-values.js";

fc.configureGlobal({ seed: 34 });

const PLAN = {
  bits: 4,
  mode: "symmetric",
  granularity: "perchannel",
  estimator: weightEstimator("default", "symmetric"),
} as const;

interface Problem {
  readonly product: { outputs: number; terms: number; groups: number; outputsFirst: boolean };
  readonly weights: Float32Array;
  readonly forms: readonly QuadraticForm[];
  readonly nearest: WeightCodes;
}

/** Weights, and the moments of correlated inputs. */
function problem(seed: number, outputs: number, terms: number, centred = false): Problem {
  const random = new RandomValues(seed);
  const weights = Float32Array.from({ length: outputs * terms }, () => random.normal());
  const inputs = Array.from({ length: 40 }, () => {
    const shared = random.normal();
    return Array.from({ length: terms }, () => Math.abs(shared + 0.5 * random.normal()));
  });
  const mean = (of: (x: number[]) => number) => inputs.reduce((sum, x) => sum + of(x), 0) / inputs.length;
  const indexes = Array.from({ length: terms }, (_, i) => i);
  const moments = {
    means: Float32Array.from(indexes, (i) => mean((x) => x[i]!)),
    matrices: [Float32Array.from(indexes.flatMap((i) => indexes.map((j) => mean((x) => x[i]! * x[j]!))))],
  };
  const product = { outputs, terms, groups: 1, outputsFirst: true };
  return {
    product,
    weights,
    forms: quadraticForms(product, moments, centred),
    nearest: quantizeWeights({ values: weights, channels: outputs, inner: terms }, PLAN),
  };
}

/** (w - wq) H (w - wq)ᵀ of each output. */
function errorsOf({ product, weights, forms }: Problem, { codes, channels }: WeightCodes): number[] {
  const { matrix } = forms[0]!;
  const { outputs, terms } = product;
  return Array.from({ length: outputs }, (_, output) => {
    const e = Array.from(
      { length: terms },
      (_, i) => weights[output * terms + i]! - dequantize(codes[output * terms + i]!, channels[output]!),
    );
    return e.reduce((sum, a, i) => sum + e.reduce((row, b, j) => row + a * b * matrix[i * terms + j]!, 0), 0);
  });
}

describe("Adaptive rounding", () => {
  test("never leaves an output with a larger error than its nearest codes, keeps scales and limits", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 24 }), (seed, terms) => {
        const asked = problem(seed, 3, terms);
        const rounded = roundToForms(
          asked.product,
          asked.weights,
          asked.nearest,
          codeLimits(PLAN),
          asked.forms,
        );
        const [before, after] = [errorsOf(asked, asked.nearest), errorsOf(asked, rounded)];
        assert.deepEqual(rounded.channels, asked.nearest.channels);
        for (const code of rounded.codes) assert.ok(code >= -7 && code <= 7);
        after.forEach((error, output) => {
          assert.ok(error <= before[output]! * (1 + 1e-9) + 1e-12);
        });
      }),
    );
  });

  test("finds a row of codes that no single step betters", () => {
    const asked = problem(7, 4, 16);
    const rounded = roundToForms(asked.product, asked.weights, asked.nearest, codeLimits(PLAN), asked.forms);
    const reached = errorsOf(asked, rounded);
    for (let at = 0; at < rounded.codes.length; at++) {
      for (const step of [-1, 1]) {
        const codes = rounded.codes.slice();
        codes[at]! += step;
        if (Math.abs(codes[at]!) > 7) continue;
        const output = Math.floor(at / 16);
        const tried = errorsOf(asked, { codes, channels: rounded.channels })[output]!;
        assert.ok(tried >= reached[output]! - 1e-9);
      }
    }
  });

  test("halves the error of nearest codes where inputs go together", () => {
    const asked = problem(11, 16, 32);
    const rounded = roundToForms(asked.product, asked.weights, asked.nearest, codeLimits(PLAN), asked.forms);
    const total = (values: number[]) => values.reduce((sum, value) => sum + value, 0);
    assert.ok(total(errorsOf(asked, rounded)) < total(errorsOf(asked, asked.nearest)) / 2);
  });

  test("centred, it does not count the mean error, which a bias takes", () => {
    const product = { groups: 1, terms: 2 };
    const moments = { means: Float32Array.of(1, 2), matrices: [Float32Array.of(1, 2, 2, 4)] };
    const [form] = quadraticForms(product, moments, true);
    assert.deepEqual([...form!.matrix], [0, 0, 0, 0]);
  });

  test("of a transposed constant it chooses the same codes", () => {
    const asked = problem(5, 4, 6);
    const turn = <T extends Float32Array | Int8Array>(values: T): T =>
      values.map((_, at) => values[(at % 4) * 6 + Math.floor(at / 4)]!) as T;
    const straight = roundToForms(asked.product, asked.weights, asked.nearest, codeLimits(PLAN), asked.forms);
    const turned = roundToForms(
      { ...asked.product, outputsFirst: false },
      turn(asked.weights),
      { codes: turn(asked.nearest.codes as Int8Array), channels: asked.nearest.channels },
      codeLimits(PLAN),
      asked.forms,
    );
    assert.deepEqual(turned.codes, turn(straight.codes as Int8Array));
  });
});
