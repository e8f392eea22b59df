import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { prepareModelFile } from "../../../shared/evaluation/model/prepare-model.js";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { openQuantizer } from "../../../shared/evaluation/quantizer/open-quantizer.js";
import { encodeModel, type Model } from "../../../shared/onnx/model/codec.js";
import { configured } from "../../../shared/quantization/algorithms/algorithm.js";
import {
  biasCorrection,
  correctedModel,
  propagationSamples,
} from "../../../shared/quantization/algorithms/bias-correction.js";
import { carriedError, dequantizedWeights } from "../../../shared/quantization/algorithms/carried-errors.js";
import { correctableProducts } from "../../../shared/quantization/algorithms/correctable-products.js";
import {
  type BiasCorrectionSettings,
  fastBiasCorrection,
} from "../../../shared/quantization/algorithms/fast-bias-correction.js";
import { targetHardware } from "../../../shared/quantization/device/hardware.js";
import type { IgnoredScope } from "../../../shared/quantization/graph/ignored/ignored-scope.js";
import { planQuantization } from "../../../shared/quantization/space/plan.js";
import type { InputBatch } from "../../../shared/runtime/input-batch.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { runModel } from "../../end-to-end/steps/quantizing.js";
import { buildModel } from "../../fixtures/models/model-builder.js";
import { RandomValues } from "../../fixtures/models/random-values.js";
import { quantizationSettings } from "../small-net.js";

/** Clips the largest weights, so that their error exceeds that of the activations. */
const CLIPPED = {
  weights: { rangeEstimator: { preset: "quantile", max: { type: "abs_quantile", outlierProb: 0.3 } } },
} as const;

const SAMPLES = 20;
const OUTPUTS = 5;

/** Convolutions with Relus between, a residual addition and a product at the end. */
const MODEL = buildModel((graph) => {
  const padded = { pads: [1, 1, 1, 1] };
  const x = graph.input("x", [1, 4, 8, 8]);
  const stem = graph.node("Relu", [graph.conv(x, [8, 4, 3, 3], padded)]);
  const depthwise = graph.node("Relu", [graph.conv(stem, [8, 1, 3, 3], { ...padded, group: 8 })]);
  const sum = graph.node("Add", [stem, graph.conv(depthwise, [8, 8, 1, 1])]);
  const pooled = graph.node("GlobalAveragePool", [sum]);
  const flat = graph.node("Reshape", [pooled, graph.ints("shape", [1, 8])]);
  graph.output(graph.matMul(flat, 8, OUTPUTS, { outputs: ["y"] }));
});

const BATCHES: readonly InputBatch[] = (() => {
  const random = new RandomValues(6);
  return Array.from({ length: SAMPLES }, () => ({
    x: {
      type: "float32" as const,
      dims: [1, 4, 8, 8],
      data: Float32Array.from({ length: 256 }, () => Math.abs(random.normal())),
    },
  }));
})();

async function means(model: Model): Promise<number[]> {
  const sums = new Array<number>(OUTPUTS).fill(0);
  for (const batch of BATCHES) {
    (await runModel(model, "all", batch, targetHardware("CPU"))).get("y")!.forEach((value, output) => {
      sums[output]! += value / SAMPLES;
    });
  }
  return sums;
}

const corrected = (settings: BiasCorrectionSettings) =>
  configured(settings.sequential ? biasCorrection : fastBiasCorrection, settings);

async function quantized(
  correction: Omit<BiasCorrectionSettings, "ignored"> | undefined,
  store = new MemoryObjectStore(),
  ignored: IgnoredScope = {},
): Promise<Model> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-sequential-"));
  try {
    await writeFile(join(folder, "model.onnx"), encodeModel(MODEL));
    const prepared = await prepareModelFile(join(folder, "model.onnx"));
    const subject = makeSubject(prepared, {
      ...quantizationSettings(CLIPPED),
      ignored,
      algorithms: correction === undefined ? [] : [corrected({ ...correction, ignored: {} })],
    });
    const batches = { count: SAMPLES, batch: (i: number) => BATCHES[i]! };
    const statistics = await collectStatistics(prepared.model, subject.statistics, batches);
    const calibration = { subject, batches, statisticsKey: "statistics/test", store };
    const quantizer = await openQuantizer(calibration, statistics);
    return quantizer.quantize(subject.space.base).model;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe("Bias correction in sequence", () => {
  test("brings the mean of the outputs nearer to float than corrections that ignore the errors of earlier ops", async () => {
    const float = await means(MODEL);
    const error = async (model: Model): Promise<number> =>
      (await means(model)).reduce((sum, mean, output) => sum + (mean - float[output]!) ** 2, 0);
    const plain = await error(await quantized(undefined));
    const fast = await error(await quantized({ sequential: false, threshold: 1000 }));
    const sequential = await error(await quantized({ sequential: true, threshold: 1000 }));
    assert.ok(sequential < fast / 2, `sequential ${sequential}, fast ${fast}`);
    assert.ok(sequential < plain / 10, `sequential ${sequential}, uncorrected ${plain}`);
  });

  test("is the same from kept input errors", async () => {
    const store = new MemoryObjectStore();
    const correction = { sequential: true, threshold: 1000 };
    const first = encodeModel(await quantized(correction, store));
    assert.deepEqual(encodeModel(await quantized(correction, store)), first);
  });

  test("includes the input errors multiplied by the quantized weights", () => {
    const codes = { codes: Int8Array.of(2, -1, 3, 4), channels: [{ scale: 0.5, zeroPoint: 0 }] };
    const product = { outputs: 2, terms: 2, groups: 1, outputsFirst: true };
    const weights = dequantizedWeights(product, codes);
    assert.deepEqual([...weights], [1, -0.5, 1.5, 2]);
    assert.deepEqual([...carriedError(product, weights, Float64Array.of(1, 2))], [0, 5.5]);
  });

  test("uses a fifth of the samples, one at least", () => {
    assert.deepEqual([1, 4, 9, 10, 300].map(propagationSamples), [1, 1, 1, 2, 60]);
  });
});

/** The first fifth has the means of all samples, so that corrections found on it hold for all. */
const CYCLE = { count: 5 * 4, batch: (i: number) => BATCHES[i % 4]! };

/** Layers may have 8 or 4 bits, or stay in float. */
const TUNED = { ...CLIPPED, tuningScope: new Set(["bits", "layer"] as const) };
const EXACT: BiasCorrectionSettings = { sequential: true, threshold: 1000, ignored: {} };

/**
 * The largest difference, over all products and channels, between the mean output of the float model and that of the
 * model whose products are quantized and corrected as in `configuration`, with activations in float. The algorithm
 * leaves none.
 * @param propagated the configuration that input errors are measured with
 */
async function worstMean(
  pick: (base: Configuration) => { configuration: Configuration; propagated: Configuration },
  correction = EXACT,
  ignored: IgnoredScope = {},
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-sequential-"));
  try {
    await writeFile(join(folder, "model.onnx"), encodeModel(MODEL));
    const prepared = await prepareModelFile(join(folder, "model.onnx"));
    const subject = makeSubject(prepared, {
      ...quantizationSettings(TUNED),
      ignored,
      algorithms: [corrected(correction)],
    });
    const { layout, view, hardware, space } = subject;
    const { configuration, propagated } = pick(space.base);
    const statistics = await collectStatistics(prepared.model, subject.statistics, CYCLE);
    const calibration = {
      subject,
      batches: CYCLE,
      statisticsKey: "statistics/test",
      store: new MemoryObjectStore(),
    };
    const quantizer = await openQuantizer(calibration, statistics, propagated);
    const plan = planQuantization(layout, hardware, subject.settings.options, configuration);
    const products = correctableProducts(subject, correction);
    const quantizedProducts = products.map((product) => quantizer.corrected(product, plan));
    const asked = new Map(
      products.map(({ op, outputAxis: axis }) => [op.key, [{ type: "channel_mean", axis } as const]]),
    );
    const found = await collectStatistics(
      correctedModel(prepared.model, view, quantizedProducts),
      asked,
      CYCLE,
    );
    const float = await collectStatistics(prepared.model, asked, CYCLE);
    const differences = products.flatMap(({ op, outputAxis: axis }) => {
      const expected = float.channels(op.key, { type: "channel_mean", axis }, "mean");
      const means = found.channels(op.key, { type: "channel_mean", axis }, "mean");
      return Array.from(means, (mean, channel) => Math.abs(mean - expected[channel]!));
    });
    return Math.max(...differences);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe("The correction is exact for the configuration that input errors are measured with", () => {
  /** 4-bit weights of the first product, whose errors reach all others. */
  const coarse = (base: Configuration): Configuration => {
    const name = Object.keys(base).find((parameter) => /weights.*bits$/.test(parameter))!;
    return { ...base, [name]: 4 };
  };
  const ROUNDING = 1e-6;

  test("the base", async () => {
    assert.ok((await worstMean((base) => ({ configuration: base, propagated: base }))) < ROUNDING);
  });

  test("another one, which errors measured with the base fit only approximately", async () => {
    const exact = await worstMean((base) => ({ configuration: coarse(base), propagated: coarse(base) }));
    const carried = await worstMean((base) => ({ configuration: coarse(base), propagated: base }));
    assert.ok(exact < ROUNDING, `exact ${exact}`);
    assert.ok(carried > 100 * ROUNDING, `as in the base ${carried}`);
  });

  test("with products in float that are corrected too", async () => {
    const error = await worstMean(
      (base) => {
        const second = Object.keys(base).filter((parameter) => parameter.endsWith("/quantize"))[1]!;
        const configuration = { ...base, [second]: false };
        return { configuration, propagated: configuration };
      },
      { ...EXACT, everyNode: true },
      { operations: [{ type: "MatMul" }] },
    );
    assert.ok(error < ROUNDING);
  });

  test("also in the model that is written", async () => {
    const ignored = { operations: [{ type: "MatMul" }] };
    const error = async (everyNode: boolean): Promise<number> => {
      const correction = { sequential: true, everyNode, threshold: 1000 };
      const found = await means(await quantized(correction, new MemoryObjectStore(), ignored));
      const float = await means(MODEL);
      return Math.max(...found.map((mean, output) => Math.abs(mean - float[output]!)));
    };
    const [every, quantizedOnly] = [await error(true), await error(false)];
    assert.ok(every < quantizedOnly / 2, `${every} and ${quantizedOnly}`);
  });
});
