import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { encodeModel, type Model } from "../../../shared/onnx/codec.js";
import { carriedError, propagationSamples } from "../../../shared/quantization/algorithms/bias-correction.js";
import type { InputBatch } from "../../../shared/scoring/data/dataset.js";
import { openQuantizer } from "../../../shared/scoring/open-quantizer.js";
import { prepareModelFile } from "../../../shared/scoring/prepare-model.js";
import { makeSubject } from "../../../shared/scoring/subject.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { runModel } from "../../end-to-end/quantizing.js";
import { buildModel } from "../../fixtures/models/model-builder.js";
import { RandomValues } from "../../fixtures/models/random-values.js";
import { quantizationSettings } from "../small-net.js";

/** The largest weights are cut off, so that their error stands out of the activations'. */
const CLIPPED = {
  weights: { rangeEstimator: { preset: "quantile", max: { type: "abs_quantile", outlierProb: 0.3 } } },
} as const;

const SAMPLES = 20;
const OUTPUTS = 5;

/** Convolutions with Relu between, a residual and a product at the end. */
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
    (await runModel(model, "all", batch)).get("y")!.forEach((value, output) => {
      sums[output]! += value / SAMPLES;
    });
  }
  return sums;
}

async function quantized(
  correction: { readonly sequential: boolean; readonly threshold: number } | undefined,
  store = new MemoryObjectStore(),
): Promise<Model> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-sequential-"));
  try {
    await writeFile(join(folder, "model.onnx"), encodeModel(MODEL));
    const prepared = await prepareModelFile(join(folder, "model.onnx"));
    const subject = makeSubject(prepared, {
      ...quantizationSettings(CLIPPED),
      ...(correction === undefined ? {} : { biasCorrection: { ...correction, ignored: {} } }),
    });
    const batches = { count: SAMPLES, batch: (i: number) => BATCHES[i]! };
    const statistics = await collectStatistics(prepared.model, subject.statistics, batches);
    const calibration = { subject, batches, statisticsKey: "statistics/test", store };
    const quantizer = await openQuantizer(calibration, statistics, new Map());
    return quantizer.quantize(subject.space.base).model;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe("Bias correction in sequence", () => {
  test("brings the mean of the outputs nearer to float's than corrections that forget what came before", async () => {
    const float = await means(MODEL);
    const error = async (model: Model): Promise<number> =>
      (await means(model)).reduce((sum, mean, output) => sum + (mean - float[output]!) ** 2, 0);
    const plain = await error(await quantized(undefined));
    const fast = await error(await quantized({ sequential: false, threshold: 1000 }));
    const sequential = await error(await quantized({ sequential: true, threshold: 1000 }));
    assert.ok(sequential < fast / 2, `sequential ${sequential}, fast ${fast}`);
    assert.ok(sequential < plain / 10, `sequential ${sequential}, uncorrected ${plain}`);
  });

  test("is the same out of what is kept", async () => {
    const store = new MemoryObjectStore();
    const correction = { sequential: true, threshold: 1000 };
    const first = encodeModel(await quantized(correction, store));
    assert.deepEqual(encodeModel(await quantized(correction, store)), first);
  });

  test("counts what the errors of the inputs do through the quantized weights", () => {
    const codes = { codes: Int8Array.of(2, -1, 3, 4), channels: [{ scale: 0.5, zeroPoint: 0 }] };
    const product = { outputs: 2, terms: 2, groups: 1, outputsFirst: true };
    assert.deepEqual([...carriedError(product, codes, Float64Array.of(1, 2))], [0, 5.5]);
  });

  test("takes a fifth of the samples, and one at least", () => {
    assert.deepEqual([1, 4, 9, 10, 300].map(propagationSamples), [1, 1, 1, 2, 60]);
  });
});
