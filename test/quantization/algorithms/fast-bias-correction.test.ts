import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { prepareModelFile } from "../../../shared/evaluation/model/prepare-model.js";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { findIntegerKernels } from "../../../shared/evaluation/quantizer/integer-kernels.js";
import { Quantizer } from "../../../shared/evaluation/quantizer/quantizer.js";
import { encodeModel, type Model } from "../../../shared/onnx/model/codec.js";
import { configured } from "../../../shared/quantization/algorithms/algorithm.js";
import {
  fastBiasCorrection,
  meanError,
} from "../../../shared/quantization/algorithms/fast-bias-correction.js";
import { targetHardware } from "../../../shared/quantization/device/hardware.js";
import { quantizeWeights } from "../../../shared/quantization/rewrite/weight-codes.js";
import { weightEstimator } from "../../../shared/quantization/space/range-estimator.js";
import type { InputBatch } from "../../../shared/runtime/input-batch.js";
import { DEFAULT_SESSION } from "../../../shared/runtime/session.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import { runModel } from "../../end-to-end/steps/quantizing.js";
import { buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";
import { RandomValues } from "../../fixtures/models/random-values.js";
import { quantizationSettings } from "../small-net.js";

test("The mean error of a worked example", () => {
  const weights = Float32Array.of(0.3, -0.71);
  const plan = {
    bits: 8,
    mode: "symmetric",
    granularity: "perchannel",
    estimator: weightEstimator("default", "symmetric"),
  } as const;
  const codes = quantizeWeights({ values: weights, channels: 1, inner: 2 }, plan);
  assert.deepEqual(codes.codes, Int8Array.of(54, -127));
  const layout = { outputs: 1, terms: 2, groups: 1, outputsFirst: true };
  const [shift] = meanError(layout, weights, codes, Float64Array.of(1, 2));
  // In POT's formula the new bias replaces the old one, which is 0.1.
  assert.ok(Math.abs(0.1 + shift! - 0.0981102362) < 1e-7, `the bias becomes ${0.1 + shift!}`);
});

const SAMPLES = 12;
/** Clips the largest weights, so that their error exceeds that of the activations. */
const CLIPPED = {
  weights: { rangeEstimator: { preset: "quantile", max: { type: "abs_quantile", outlierProb: 0.3 } } },
} as const;

interface Fixture {
  readonly shape: readonly number[];
  readonly build: (graph: GraphBuilder, x: string) => string;
  /** The axis of the output's channels. */
  readonly axis: number;
}

const image = (attributes = {}, dims = [6, 4, 3, 3], bias = true): Fixture => ({
  shape: [1, 4, 7, 6],
  build: (graph, x) => graph.conv(x, dims, attributes, { bias, outputs: ["y"] }),
  axis: 1,
});

const FIXTURES: Readonly<Record<string, Fixture>> = {
  "a convolution": image(),
  "a padded one": image({ pads: [2, 1, 0, 1] }),
  "one that steps and dilates": image({ strides: [2, 2], dilations: [2, 1], pads: [1, 1, 1, 1] }),
  "one that pads by itself": image({ auto_pad: "SAME_UPPER", strides: [2, 2] }),
  "a pointwise one": image({}, [6, 4, 1, 1]),
  "a grouped one": image({ group: 2, pads: [1, 1, 1, 1] }, [6, 2, 3, 3]),
  "a depthwise one": image({ group: 4, pads: [1, 1, 1, 1] }, [4, 1, 3, 3]),
  "one without a bias": image({}, [6, 4, 3, 3], false),
  "a convolution of sequences": {
    shape: [1, 4, 9],
    build: (graph, x) => graph.conv(x, [5, 4, 3], { pads: [1, 1] }, { outputs: ["y"] }),
    axis: 1,
  },
  "a dense layer": {
    shape: [1, 16],
    build: (graph, x) => {
      const weights = [graph.random("w", [5, 16], 0.25), graph.random("b", [5], 0.25)];
      return graph.node("Gemm", [x, ...weights], { transB: 1 }, { outputs: ["y"] });
    },
    axis: 1,
  },
  "a dense layer without a bias": {
    shape: [1, 16],
    build: (graph, x) => graph.node("Gemm", [x, graph.random("w", [16, 5], 0.25)], {}, { outputs: ["y"] }),
    axis: 1,
  },
  "a product": {
    shape: [1, 5, 8],
    build: (graph, x) => graph.matMul(x, 8, 6, { outputs: ["y"] }),
    axis: 2,
  },
  "a product with an addition behind it": {
    shape: [1, 5, 8],
    build: (graph, x) =>
      graph.node("Add", [graph.random("b", [6], 0.25), graph.matMul(x, 8, 6)], {}, { outputs: ["y"] }),
    axis: 2,
  },
};

/** Inputs with means other than zero, as behind a Relu, and other means at the border. */
function batchesOf(shape: readonly number[]): InputBatch[] {
  const random = new RandomValues(5);
  const size = shape.reduce((product, dim) => product * dim, 1);
  return Array.from({ length: SAMPLES }, () => ({
    x: {
      type: "float32",
      dims: shape,
      data: Float32Array.from({ length: size }, (_, i) => Math.abs(random.normal()) + (i % 5)),
    },
  }));
}

async function prepare(model: Model) {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-bias-"));
  try {
    await writeFile(join(folder, "model.onnx"), encodeModel(model));
    return await prepareModelFile(join(folder, "model.onnx"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The mean of every channel of `y` over all batches. */
async function channelMeans(model: Model, batches: readonly InputBatch[], { axis }: Fixture, inner: number) {
  const sums: number[] = [];
  let count = 0;
  for (const batch of batches) {
    const values = (await runModel(model, "all", batch, targetHardware("CPU"))).get("y")!;
    const step = axis === 1 ? inner : 1;
    const channels = axis === 1 ? values.length / inner : inner;
    values.forEach((value, i) => {
      const channel = Math.floor(i / step) % channels;
      sums[channel] = (sums[channel] ?? 0) + value;
    });
    count += values.length / channels;
  }
  return sums.map((sum) => sum / count);
}

async function errors(fixture: Fixture, threshold: number | undefined) {
  const model = buildModel((graph) => {
    graph.output(fixture.build(graph, graph.input("x", fixture.shape)));
  });
  const prepared = await prepare(model);
  const correction =
    threshold === undefined
      ? []
      : [configured(fastBiasCorrection, { sequential: false, threshold, ignored: {} })];
  const subject = makeSubject(prepared, { ...quantizationSettings(CLIPPED), algorithms: correction });
  const batches = batchesOf(fixture.shape);
  const statistics = await collectStatistics(prepared.model, subject.statistics, {
    count: batches.length,
    batch: (i) => batches[i]!,
  });
  const quantized = new Quantizer(subject, statistics).quantize(subject.space.base);
  const shape = prepared.outputs[0]!.shape.map(Number);
  const inner =
    fixture.axis === 1 ? shape.slice(2).reduce((product, dim) => product * dim, 1) : shape.at(-1)!;
  const [float, integer] = [
    await channelMeans(model, batches, fixture, inner),
    await channelMeans(quantized.model, batches, fixture, inner),
  ];
  const error = Math.max(...float.map((mean, channel) => Math.abs(mean - integer[channel]!)));
  const kernels = await findIntegerKernels(quantized.model, subject.layout, quantized.plan, DEFAULT_SESSION);
  return { error, kernels };
}

describe("After correction, the mean of every channel is that of the float model", () => {
  for (const [title, fixture] of Object.entries(FIXTURES)) {
    test(title, async () => {
      const plain = await errors(fixture, undefined);
      const corrected = await errors(fixture, 1e12);
      assert.ok(
        corrected.error < plain.error / 4,
        `the worst channel is off by ${corrected.error}, uncorrected by ${plain.error}`,
      );
      assert.deepEqual(corrected.kernels, plain.kernels);
    });
  }
});

test("A shift beyond the threshold is left out", async () => {
  const fixture = FIXTURES["a padded one"]!;
  assert.equal((await errors(fixture, 1e-9)).error, (await errors(fixture, undefined)).error);
});
