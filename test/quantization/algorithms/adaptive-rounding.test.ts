import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { roundToForms } from "../../../shared/quantization/algorithms/adaptive-rounding.js";
import {
  type QuadraticForm,
  quadraticForms,
} from "../../../shared/quantization/algorithms/quadratic-form.js";
import { dequantize } from "../../../shared/quantization/arithmetic/affine.js";
import {
  codeLimits,
  quantizeWeights,
  type WeightCodes,
} from "../../../shared/quantization/rewrite/weight-codes.js";
import { RandomValues } from "../../fixtures/models/random-values.js";

import { FOUR_BIT_PLAN } from "../four-bit-plan.js";

fc.configureGlobal({ seed: 34 });

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
    nearest: quantizeWeights({ values: weights, channels: outputs, inner: terms }, FOUR_BIT_PLAN),
  };
}

const rounded = (asked: Problem, smallestScales?: readonly number[]): WeightCodes =>
  roundToForms(
    asked.product,
    asked.weights,
    asked.nearest,
    codeLimits(FOUR_BIT_PLAN),
    asked.forms,
    smallestScales,
  );

/** Per output (w - wq) H (w - wq)ᵀ, w H wqᵀ, wq H wqᵀ and w H wᵀ. */
function worthOf({ product, weights, forms }: Problem, { codes, channels }: WeightCodes) {
  const { matrix } = forms[0]!;
  const { outputs, terms } = product;
  const times = (a: number[], b: number[]): number =>
    a.reduce((sum, x, i) => sum + b.reduce((row, y, j) => row + x * y * matrix[i * terms + j]!, 0), 0);
  return Array.from({ length: outputs }, (_, output) => {
    const positions = Array.from({ length: terms }, (_, i) => output * terms + i);
    const w = positions.map((at) => weights[at]!);
    const q = positions.map((at) => dequantize(codes[at]!, channels[channels.length === 1 ? 0 : output]!));
    const e = w.map((x, i) => x - q[i]!);
    return { error: times(e, e), overlap: times(w, q), spread: times(q, q), energy: times(w, w) };
  });
}

describe("Adaptive rounding", () => {
  test("keeps limits and zero points, and is as correlated with the float output as that is with itself", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 24 }), (seed, terms) => {
        const asked = problem(seed, 3, terms);
        const given = rounded(asked);
        for (const code of given.codes) assert.ok(code >= -7 && code <= 7);
        for (const { zeroPoint } of given.channels) assert.equal(zeroPoint, 0);
        const before = worthOf(asked, asked.nearest);
        worthOf(asked, given).forEach(({ overlap, spread, energy }, output) => {
          assert.ok(Math.abs(overlap / energy - 1) < 1e-5);
          // At least as correlated with the float output as the nearest codes.
          const nearest = before[output]!;
          assert.ok(spread / overlap ** 2 <= (nearest.spread / nearest.overlap ** 2) * (1 + 1e-5));
        });
      }),
    );
  });

  test("keeps a scale that all outputs share, with errors at most those of nearest codes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 24 }), (seed, terms) => {
        const { weights, ...others } = problem(seed, 3, terms);
        const nearest = quantizeWeights({ values: weights, channels: 1, inner: 1 }, FOUR_BIT_PLAN);
        const asked = { ...others, weights, nearest };
        const given = rounded(asked);
        assert.deepEqual(given.channels, nearest.channels);
        const before = worthOf(asked, nearest);
        worthOf(asked, given).forEach(({ error }, output) => {
          assert.ok(error <= before[output]!.error * (1 + 1e-9) + 1e-12);
        });
      }),
    );
  });

  test("finds codes that no single step improves", () => {
    const { weights, ...others } = problem(7, 4, 16);
    const nearest = quantizeWeights({ values: weights, channels: 1, inner: 1 }, FOUR_BIT_PLAN);
    const asked = { ...others, weights, nearest };
    const { codes: reached, channels } = rounded(asked);
    const errors = worthOf(asked, { codes: reached, channels });
    for (let at = 0; at < reached.length; at++) {
      for (const step of [-1, 1]) {
        const codes = reached.slice();
        codes[at]! += step;
        if (Math.abs(codes[at]!) > 7) continue;
        const output = Math.floor(at / 16);
        assert.ok(worthOf(asked, { codes, channels })[output]!.error >= errors[output]!.error - 1e-9);
      }
    }
  });

  test("has less than a third of the error of nearest codes where inputs are correlated", () => {
    const asked = problem(11, 16, 32);
    const total = (codes: WeightCodes) => worthOf(asked, codes).reduce((sum, { error }) => sum + error, 0);
    assert.ok(total(rounded(asked)) < total(asked.nearest) / 3);
  });

  test("leaves no scale below the smallest that is allowed", () => {
    const asked = problem(13, 4, 9);
    const free = rounded(asked).channels.map(({ scale }) => scale);
    const smallest = free.map((scale, channel) => (channel % 2 === 0 ? 2 * scale : scale / 2));
    rounded(asked, smallest).channels.forEach(({ scale }, channel) => {
      if (channel % 2 === 0) assert.ok(scale >= smallest[channel]!);
      else assert.equal(scale, free[channel]);
    });
  });

  test("leaves nearest codes and scales where all inputs are zero", () => {
    const asked = problem(17, 2, 5);
    const forms = asked.forms.map((form) => ({ ...form, matrix: form.matrix.map(() => 0) }));
    assert.deepEqual(rounded({ ...asked, forms }), asked.nearest);
  });

  test("ignores the mean error where the form is centred, as a bias takes it", () => {
    const product = { groups: 1, terms: 2 };
    const moments = { means: Float32Array.of(1, 2), matrices: [Float32Array.of(1, 2, 2, 4)] };
    const [form] = quadraticForms(product, moments, true);
    assert.deepEqual([...form!.matrix], [0, 0, 0, 0]);
  });

  test("chooses the same codes for a transposed constant", () => {
    const asked = problem(5, 4, 6);
    const turn = <T extends Float32Array | Int8Array>(values: T): T =>
      values.map((_, at) => values[(at % 4) * 6 + Math.floor(at / 4)]!) as T;
    const straight = rounded(asked);
    const turned = roundToForms(
      { ...asked.product, outputsFirst: false },
      turn(asked.weights),
      { codes: turn(asked.nearest.codes as Int8Array), channels: asked.nearest.channels },
      codeLimits(FOUR_BIT_PLAN),
      asked.forms,
    );
    assert.deepEqual(turned.codes, turn(straight.codes as Int8Array));
  });
});
