import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Dataset } from "../../../shared/data/dataset.js";
import { rewrittenSubject } from "../../../shared/evaluation/model/rewritten-model.js";
import { findIntegerKernels } from "../../../shared/evaluation/quantizer/integer-kernels.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import { activationChannelAlignment } from "../../../shared/quantization/algorithms/activation-channel-alignment.js";
import { configured } from "../../../shared/quantization/algorithms/algorithm.js";
import { dequantize } from "../../../shared/quantization/arithmetic/affine.js";
import { channelView } from "../../../shared/quantization/arithmetic/channel-view.js";
import type { Scheme } from "../../../shared/quantization/device/hardware.js";
import type { WeightQuantizer } from "../../../shared/quantization/graph/groups.js";
import { hasWideCodes } from "../../../shared/quantization/graph/kernel-saturation.js";
import { type SaturationFix, withSaturationFix } from "../../../shared/quantization/graph/saturation-fix.js";
import { quantizeWeights } from "../../../shared/quantization/rewrite/weight-codes.js";
import type { TensorPlan } from "../../../shared/quantization/space/plan.js";
import { weightEstimator } from "../../../shared/quantization/space/range-estimator.js";
import { DEFAULT_SESSION } from "../../../shared/runtime/session.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { readyFixture, runModel, worstSqnr } from "../../end-to-end/steps/quantizing.js";
import { buildModel } from "../../fixtures/models/model-builder.js";
import type { ModelFixture } from "../../fixtures/models/model-fixture.js";
import { RandomValues } from "../../fixtures/models/random-values.js";
import { tuningOptions } from "../small-net.js";

const SYMMETRIC: TensorPlan = {
  bits: 8,
  mode: "symmetric",
  granularity: "pertensor",
  estimator: weightEstimator("default", "symmetric"),
};

describe("Codes of 7 bits", () => {
  test("equal those of POT on an example (1.27 is a tie and may be a step off)", () => {
    const view = channelView(Float32Array.of(0.5, 1.27, 0.246), [3], undefined);
    const { codes, channels } = quantizeWeights(view, { ...SYMMETRIC, codes: "int7" });
    const scale = channels[0]!.scale;
    assert.ok(Math.abs(scale - 0.02) < 1e-8, `scale ${scale}`);
    assert.deepEqual([codes[0], codes[2]], [25, 12]);
    assert.ok(codes[1] === 63 || codes[1] === 64, `code ${codes[1]}`);
    const values = [...codes].map((code) => dequantize(code, channels[0]!));
    for (const [i, expected] of [0.5, 1.27, 0.24].entries()) {
      assert.ok(Math.abs(values[i]! - expected) <= scale / 2 + 1e-6, `${values[i]} for ${expected}`);
    }
  });

  test("are within 64 where the estimator clips outliers", () => {
    const estimator = { max: { type: "abs_quantile", outlierProb: 0.5 } } as const;
    const view = channelView(Float32Array.of(-8, 1, 0.5, 8), [4], undefined);
    const { codes } = quantizeWeights(view, { ...SYMMETRIC, estimator, codes: "int7" });
    assert.deepEqual([codes[0], codes[3]], [-64, 64]);
  });

  test("are from -64 to 63 in asymmetric mode, with half the number of steps", () => {
    const plan: TensorPlan = {
      ...SYMMETRIC,
      mode: "asymmetric",
      codes: "int7",
      estimator: weightEstimator("default", "asymmetric"),
    };
    const { codes, channels } = quantizeWeights(channelView(Float32Array.of(-1, 0, 3), [3], undefined), plan);
    const [{ scale, zeroPoint }] = channels as [(typeof channels)[0]];
    assert.deepEqual([...codes], [-64, -32, 63]);
    assert.equal(zeroPoint, -32);
    assert.ok(Math.abs(scale - 4 / 127) < 1e-3, `scale ${scale}`);
  });

  test("apply to 8-bit weights whose codes exceed 64", () => {
    const scheme: Scheme = { bits: 8, mode: "symmetric", granularity: "perchannel" };
    assert.equal(hasWideCodes(scheme), true);
    assert.equal(hasWideCodes({ ...scheme, mode: "asymmetric" }), true);
    assert.equal(hasWideCodes({ ...scheme, codes: "int7" }), false);
    assert.equal(hasWideCodes({ ...scheme, codes: "uint8" }), false);
    assert.equal(hasWideCodes({ ...scheme, bits: 4 }), false);
    assert.equal(hasWideCodes({ ...scheme, bits: 16 }), false);
    assert.equal(hasWideCodes({ ...scheme, levels: { low: -64, high: 63 } }), false);
  });
});

/** Two convolutions of the input, one of them after a Sigmoid; a convolution after both; a dense layer. */
const BRANCHED: ModelFixture = {
  name: "branched",
  build: () =>
    buildModel((graph) => {
      const x = graph.input("x", ["N", 4, 5, 5]);
      const conv = (name: string, input: string, channels: number): string =>
        graph.node("Conv", [input, graph.random(name, [4, channels, 3, 3], 0.25)], { pads: [1, 1, 1, 1] });
      const left = graph.node("Relu", [conv("left", x, 4)]);
      const right = conv("right", graph.node("Sigmoid", [x]), 4);
      const deep = conv("deep", graph.node("Concat", [left, right], { axis: 1 }), 8);
      const flat = graph.node("Flatten", [deep]);
      graph.output(graph.node("MatMul", [flat, graph.random("dense", [100, 3], 0.25)]), DataType.FLOAT);
    }),
};

const UNCONVOLVED: ModelFixture = {
  name: "unconvolved",
  build: () =>
    buildModel((graph) => {
      const x = graph.input("x", ["N", 8]);
      graph.output(graph.node("MatMul", [x, graph.random("dense", [8, 3], 0.25)]), DataType.FLOAT);
    }),
};

/** Three convolutions, the first two in direct succession. */
const CHAINED: ModelFixture = {
  name: "chained",
  build: () =>
    buildModel((graph) => {
      const conv = (name: string, input: string): string => {
        const weight = graph.random(`${name}.weight`, [4, 4, 1, 1], 0.5);
        return graph.node("Conv", [input, weight], {}, { outputs: [name] });
      };
      const second = conv("second", conv("first", graph.input("x", ["N", 4, 5, 5])));
      graph.output(conv("third", graph.node("Relu", [second])), DataType.FLOAT);
    }),
};

const EVERY_SAMPLE = { size: undefined, shuffle: false, seed: 0 };

const SAMPLES: Dataset = {
  samples: 4,
  contentHash: "",
  fixedBatch: undefined,
  locate: () => "samples",
  extremes: () => [],
  sampleKeys: async () => [],
  verify: async () => undefined,
  batch: () => {
    const random = new RandomValues(6);
    const data = Float32Array.from({ length: 100 }, () => random.normal());
    return { x: { type: "float32", data, dims: [1, 4, 5, 5] } };
  },
  labels: () => undefined,
};

function marked(weights: ReadonlyMap<string, WeightQuantizer>): string[] {
  return [...weights.values()]
    .flatMap(({ id, saturationFix }) => (saturationFix === "seven bits" ? [id] : []))
    .sort();
}

function ready(fixture: ModelFixture, saturationFix?: SaturationFix, options = {}) {
  return readyFixture(fixture, {
    options: tuningOptions(options),
    ...(saturationFix === undefined ? {} : { saturationFix }),
  });
}

async function sevenBitWeights(...asked: Parameters<typeof ready>): Promise<string[]> {
  const { subject, quantizer } = await ready(...asked);
  const { weights } = quantizer.quantize(subject.space.base).plan;
  return [...weights].flatMap(([id, { codes }]) => (codes === "int7" ? [id] : [])).sort();
}

describe("The saturation fix gives 7 bits to the weights of", () => {
  test("the first convolutions on a path from the inputs", async () => {
    assert.deepEqual(await sevenBitWeights(BRANCHED, "first_layer"), ["left", "right"]);
  });

  test("all weighted ops", async () => {
    assert.deepEqual(await sevenBitWeights(BRANCHED, "all"), ["deep", "dense", "left", "right"]);
  });

  test("no op where it is off, the model has no convolution, or weights have 4 bits", async () => {
    assert.deepEqual(await sevenBitWeights(BRANCHED, "no"), []);
    assert.deepEqual(await sevenBitWeights(UNCONVOLVED, "all"), []);
    assert.deepEqual(await sevenBitWeights(BRANCHED, "all", { weights: { bits: 4 } }), []);
  });

  test("the ops that ActivationChannelAlignment rewrote, besides the first convolutions", async () => {
    const { subject } = await ready(BRANCHED);
    const deep = subject.layout.weights.get("deep")!.ops[0]!;
    const { weights } = withSaturationFix(subject.layout, subject.view, "first_layer", new Set([deep]));
    assert.deepEqual(marked(weights), ["deep", "left", "right"]);
  });

  test("no later convolution, except the one that ActivationChannelAlignment has rewritten", async () => {
    const { subject } = await ready(CHAINED, "first_layer");
    assert.deepEqual(marked(subject.layout.weights), ["first.weight"]);
    const alignment = configured(activationChannelAlignment, { ignored: {}, sampling: EVERY_SAMPLE });
    const aligned = { ...subject.settings, algorithms: [alignment] };
    const store = async () => new MemoryObjectStore();
    const rewritten = await rewrittenSubject({ ...subject, settings: aligned }, SAMPLES, store);
    assert.equal(rewritten.prepared.rewritings.length, 1);
    assert.equal(rewritten.layout.weights.size, 3);
    const second = rewritten.layout.ops.get("second")!.weight!.initializer;
    const third = rewritten.layout.ops.get("third")!.weight!.initializer;
    const halved = marked(rewritten.layout.weights);
    assert.equal(halved.length, 2);
    assert.ok(halved.includes(second) && !halved.includes(third), halved.join(", "));
  });
});

describe("In ONNX Runtime a model with all weights in 7 bits", () => {
  test("has codes within 64, runs as integer kernels, and loses about one bit of accuracy", async () => {
    const [whole, halved] = [await ready(BRANCHED, "no"), await ready(BRANCHED, "all")];
    const [eight, seven] = [whole, halved].map(({ subject, quantizer }) =>
      quantizer.quantize(subject.space.base),
    );
    const largest = ({ model }: typeof eight & object): number =>
      Math.max(
        ...model.graph.initializer.flatMap(({ dataType, dims, rawData }) =>
          dataType === DataType.INT8 && dims.length > 1 ? [...Int8Array.from(rawData)].map(Math.abs) : [],
        ),
      );
    assert.equal(largest(eight!), 127);
    assert.ok(largest(seven!) === 63 || largest(seven!) === 64, `largest code ${largest(seven!)}`);
    const { subject, float, batch } = halved;
    const kernels = await findIntegerKernels(seven!.model, subject.layout, seven!.plan, DEFAULT_SESSION);
    assert.deepEqual(kernels, { quantized: 4, integer: 4, unfused: [] });
    const expected = await runModel(float, "disabled", batch);
    // Integer kernels of x86 without VNNI may saturate with 8-bit codes, so dequantized float arithmetic is
    // compared.
    const [exact, narrowed] = await Promise.all(
      [eight!, seven!].map(async ({ model }) =>
        worstSqnr(expected, await runModel(model, "disabled", batch)),
      ),
    );
    const run = worstSqnr(expected, await runModel(seven!.model, "all", batch));
    assert.ok(narrowed! > 25 && narrowed! > exact! - 9, `${narrowed} dB, with whole codes ${exact}`);
    assert.ok(Math.abs(run - narrowed!) < 3, `${run} dB in integer kernels, ${narrowed} without`);
  });
});
