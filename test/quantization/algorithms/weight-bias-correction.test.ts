import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { floatValues } from "../../../shared/onnx/model/tensor.js";
import { configured } from "../../../shared/quantization/algorithms/algorithm.js";
import {
  meanOffsets,
  weightBiasCorrection,
  withDeviation,
} from "../../../shared/quantization/algorithms/weight-bias-correction.js";
import { dequantize } from "../../../shared/quantization/arithmetic/affine.js";
import { WeightCache } from "../../../shared/quantization/rewrite/weight-cache.js";
import { quantizeWeights } from "../../../shared/quantization/rewrite/weight-codes.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import { RandomValues } from "../../fixtures/models/random-values.js";
import { FOUR_BIT_PLAN } from "../four-bit-plan.js";
import { prepareSmallNet, quantizationSettings, SMALL_NET_INPUT } from "../small-net.js";

fc.configureGlobal({ seed: 33 });

function moments(values: readonly number[]) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    mean,
    deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length),
  };
}

describe("Weight bias correction", () => {
  test("scales and shifts the weights of a worked example", () => {
    const weights = Float32Array.of(0.1, -0.2, 0.33, 0.9);
    const matrix = { outputs: 1, terms: 4, outputsFirst: true };
    const codes = quantizeWeights({ values: weights, channels: 1, inner: 4 }, FOUR_BIT_PLAN);
    const [before] = codes.channels;
    const near = (found: number, expected: number) =>
      assert.ok(Math.abs(found - expected) < 1e-6, `${found}`);
    [0.128571, -0.257143, 0.385714, 0.9].forEach((value, i) => {
      near(dequantize(codes.codes[i]!, before!), value);
    });
    const corrected = withDeviation(matrix, weights, codes);
    // POT divides by a deviation that is 1e-5 larger.
    const { deviation } = moments(Array.from(codes.codes, (code) => dequantize(code, before!)));
    near(corrected.channels[0]!.scale / before!.scale, (0.9587938 * (deviation + 1e-5)) / deviation);
    near(meanOffsets(matrix, weights, corrected)[0]!, 0.0051281);
  });

  test("corrects small and large weights by the same factor", () => {
    const matrix = { outputs: 1, terms: 4, outputsFirst: true };
    const ratios = [1, 1e-7].map((unit) => {
      const weights = Float32Array.of(0.1 * unit, -0.2 * unit, 0.33 * unit, 0.9 * unit);
      const codes = quantizeWeights({ values: weights, channels: 1, inner: 4 }, FOUR_BIT_PLAN);
      return withDeviation(matrix, weights, codes).channels[0]!.scale / codes.channels[0]!.scale;
    });
    assert.ok(Math.abs(ratios[0]! / ratios[1]! - 1) < 1e-6);
  });

  test("restores the standard deviation of each output's weights, and keeps the codes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 3, max: 30 }), (seed, terms) => {
        const random = new RandomValues(seed);
        const weights = Float32Array.from({ length: 2 * terms }, () => random.normal());
        const codes = quantizeWeights({ values: weights, channels: 2, inner: terms }, FOUR_BIT_PLAN);
        const corrected = withDeviation({ outputs: 2, terms, outputsFirst: true }, weights, codes);
        assert.deepEqual(corrected.codes, codes.codes);
        for (const output of [0, 1]) {
          const range = [output * terms, (output + 1) * terms] as const;
          const affine = corrected.channels[output]!;
          const quantized = Array.from(corrected.codes.slice(...range), (code) => dequantize(code, affine));
          const float = moments([...weights.slice(...range)]);
          assert.ok(Math.abs(moments(quantized).deviation / float.deviation - 1) < 1e-3);
        }
      }),
    );
  });

  test("keeps scales of channels that do not vary, and scales that a bias needs", () => {
    const weights = Float32Array.of(0.5, 0.5, 0.1, 0.33);
    const matrix = { outputs: 2, terms: 2, outputsFirst: true };
    const codes = quantizeWeights({ values: weights, channels: 2, inner: 2 }, FOUR_BIT_PLAN);
    assert.deepEqual(withDeviation(matrix, weights, codes).channels[0], codes.channels[0]);
    assert.equal(withDeviation(matrix, weights, codes, [0, 1]).channels[1]!.scale, 1);
  });

  test("shifts the bias by what the offset adds on average", async () => {
    const settings = { ignored: {} };
    const algorithms = [configured(weightBiasCorrection, settings)];
    const subject = makeSubject(await prepareSmallNet(), { ...quantizationSettings(), algorithms });
    const { layout, view } = subject;
    const random = new RandomValues(4);
    const x = Float32Array.from({ length: 4 * 8 * 8 }, () => 1 + random.normal());
    const statistics = await collectStatistics(
      subject.prepared.model,
      weightBiasCorrection.statistics!(subject, settings),
      { count: 1, batch: () => ({ x: { type: "float32", dims: [1, ...SMALL_NET_INPUT], data: x } }) },
    );
    const correction = weightBiasCorrection.adjust(
      { ...subject, statistics, correctsMeanError: () => false },
      settings,
    );
    const weights = new WeightCache(view.index, [correction.refine!]);
    const shift = correction.shift!("stem", FOUR_BIT_PLAN, weights)!;
    // The mean input of each tap, padding included, by the definition of a convolution that pads 1.
    let sum = 0;
    for (let channel = 0; channel < 4; channel++) {
      for (let i = -1; i <= 1; i++) {
        for (let j = -1; j <= 1; j++) {
          for (let row = Math.max(0, i); row < Math.min(8, 8 + i); row++) {
            for (let column = Math.max(0, j); column < Math.min(8, 8 + j); column++) {
              sum += x[(channel * 8 + row) * 8 + column]! / 64;
            }
          }
        }
      }
    }
    const quantizer = [...layout.weights.values()].find(({ ops }) => ops.includes("stem"))!;
    const codes = weights.get(quantizer, FOUR_BIT_PLAN);
    const float = view.index.initializers.get(quantizer.id)!;
    const values = floatValues(float);
    const offsets = meanOffsets({ outputs: 8, terms: 36, outputsFirst: true }, values, codes);
    shift.forEach((value, output) => {
      assert.ok(Math.abs(value - offsets[output]! * sum) < 1e-5, `${value} ${offsets[output]! * sum}`);
    });
  });
});
