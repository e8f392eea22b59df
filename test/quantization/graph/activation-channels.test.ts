import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { intAttribute } from "../../../shared/onnx/model/attributes.js";
import type { Model } from "../../../shared/onnx/model/codec.js";
import { DataType, dimensions, floatValues } from "../../../shared/onnx/model/tensor.js";
import { representableRange } from "../../../shared/quantization/arithmetic/affine.js";
import type { DeviceName, TargetDevice } from "../../../shared/quantization/device/hardware.js";
import type { HardwareDocument } from "../../../shared/quantization/device/hardware-schema.js";
import { readersOf } from "../../../shared/quantization/graph/groups.js";
import { activationSchemes } from "../../../shared/quantization/space/schemes.js";
import type { TuningOptions } from "../../../shared/quantization/space/tuning-options.js";
import { readyFixture, runModel, worstSqnr } from "../../end-to-end/steps/quantizing.js";
import { buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";
import { RandomValues } from "../../fixtures/models/random-values.js";
import { configurationAt } from "../configurations.js";
import { tuningOptions } from "../small-net.js";

const CHANNELS = 6;

/**
 * Lower limit of the net's signal-to-noise ratio with 8 bits; low, as its averages of random numbers are near
 * zero.
 */
const LEAST_DECIBEL = 12;

/**
 * A mobile network's block without biases: a convolution, a pool, a depthwise convolution and another
 * convolution.
 */
const mobile = {
  name: "mobile net",
  build: () =>
    buildModel((graph) => {
      const node = (name: string, ...[opType, inputs, attributes]: Parameters<GraphBuilder["node"]>) =>
        graph.node(opType, inputs, attributes, { name, outputs: [name] });
      const weight = (name: string, dims: readonly number[]) => graph.random(`${name}.weight`, dims, 0.3);
      const padded = { pads: [1, 1, 1, 1] };
      const x = graph.input("x", ["N", 3, 8, 8]);
      const stem = node("stem", "Conv", [x, weight("stem", [CHANNELS, 3, 3, 3])], padded);
      const activated = node("activated", "Relu", [stem]);
      const pooled = node("pooled", "MaxPool", [activated], { kernel_shape: [2, 2], strides: [2, 2] });
      const spatial = [pooled, weight("depthwise", [CHANNELS, 1, 3, 3])];
      const depthwise = node("depthwise", "Conv", spatial, { ...padded, group: CHANNELS });
      const mixed = node("mixed", "Conv", [depthwise, weight("mixed", [4, CHANNELS, 1, 1])]);
      const averaged = node("averaged", "GlobalAveragePool", [mixed]);
      const flat = node("flat", "Reshape", [averaged, graph.ints("shape", [-1, 4])]);
      graph.output(node("y", "Gemm", [flat, weight("dense", [4, 3])]), DataType.FLOAT, ["N", 3]);
    }),
};

/** A device with scales per channel for all ops, with few levels and with many. */
const CHANNELWISE: HardwareDocument = {
  device: "CHANNELWISE",
  primary_bitwidth: 8,
  schemes: {
    a: { bits: [8, 4, 16], mode: ["symmetric", "asymmetric"], granularity: ["perchannel", "pertensor"] },
    few: {
      bits: [16],
      mode: ["symmetric"],
      granularity: ["perchannel"],
      level_low: -900,
      level_high: 900,
    },
    w: { bits: [8], mode: ["symmetric"], granularity: ["perchannel"] },
  },
  operations: [
    { types: ["Conv"], role: "weighted", kernel: "integer output", activations: ["a"], weights: ["w"] },
    { types: ["Gemm"], role: "weighted", kernel: "any output", activations: ["a"], weights: ["w"] },
    { types: ["GlobalAveragePool"], role: "follower", kernel: "integer output", activations: ["a"] },
    { types: ["MaxPool", "Reshape"], role: "agnostic" },
    { types: ["Relu"], role: "saturating" },
  ],
};

function ready(targetDevice: TargetDevice, options: Partial<TuningOptions> = {}) {
  return readyFixture(mobile, { targetDevice, options: tuningOptions(options) });
}

/** The granularities that a tensor may have. */
async function granularities(targetDevice: TargetDevice, options: Partial<TuningOptions> = {}) {
  const { layout, hardware } = (await ready(targetDevice, options)).subject;
  return (tensor: string): string => {
    const quantizer = layout.activations.get(layout.quantizerOf.get(tensor)!)!;
    const schemes = activationSchemes(quantizer, layout, hardware, tuningOptions(options));
    return [...new Set(schemes.map(({ granularity }) => granularity))].join();
  };
}

/** The scales of each QuantizeLinear with scales per channel. */
function channelScales({ graph }: Model): { axis: number; scales: Float32Array }[] {
  return graph.node.flatMap((node) => {
    const scale = graph.initializer.find(
      ({ name }) => node.opType === "QuantizeLinear" && name === node.input[1],
    );
    if (scale === undefined || scale.dims.length === 0) return [];
    return [{ axis: intAttribute(node, "axis", 1), scales: floatValues(scale) }];
  });
}

describe("Activations that may have scales per channel", () => {
  const expected: readonly (readonly [
    device: DeviceName,
    depthwise: string,
    averages: string | undefined,
  ])[] = [
    ["CPU", "pertensor", "pertensor"],
    ["GPU", "perchannel", "pertensor"],
    ["CPU_SPR", "perchannel", "pertensor"],
    ["VPU", "perchannel", "perchannel"],
    ["NPU", "perchannel", "perchannel"],
    ["GNA", "pertensor", undefined],
  ];
  for (const [device, depthwise, averages] of expected) {
    test(`${device}: ${depthwise} for depthwise convolutions, ${averages ?? "float"} for averages`, async () => {
      const granularity = await granularities(device);
      assert.equal(granularity("pooled"), depthwise);
      if (averages !== undefined) assert.equal(granularity("mixed"), averages);
      assert.equal(granularity("x"), "pertensor");
      assert.equal(granularity("depthwise"), "pertensor", "read by an ordinary convolution");
    });
  }

  test("a scale per tensor is available when pinned", async () => {
    const granularity = await granularities("VPU", { activations: { granularity: "pertensor" } });
    for (const tensor of ["x", "pooled", "mixed"]) assert.equal(granularity(tensor), "pertensor");
  });

  test("never the operands of matrix products, nor tensors whose channels are moved to another axis", async () => {
    const { layout } = (await ready(CHANNELWISE)).subject;
    const quantizer = (tensor: string) => layout.activations.get(layout.quantizerOf.get(tensor)!)!;
    assert.deepEqual(
      readersOf(new Set(quantizer("averaged").tensors), layout.ops.values()).map(({ name }) => name),
      ["y"],
    );
    assert.equal(quantizer("averaged").channels, undefined);
    assert.equal(quantizer("pooled").channels, CHANNELS);
    assert.ok(quantizer("pooled").tensors.includes("activated"), "through the pool");
  });
});

describe("Scales per channel", () => {
  for (const device of ["GPU", "VPU", "NPU"] as const) {
    test(`${device}: lie along axis 1, and are computed in float at every optimization level`, async () => {
      const { quantizer, subject, batch, float } = await ready(device);
      const { model, simulatedShare } = quantizer.quantize(subject.space.base);
      assert.ok(simulatedShare.byCount > 0);
      const written = channelScales(model);
      assert.ok(written.length > 0);
      for (const { axis } of written) assert.equal(axis, 1);
      const apart = await runModel(model, "disabled", batch);
      assert.ok(worstSqnr(apart, await runModel(model, "all", batch)) > 30);
      assert.ok(worstSqnr(await runModel(float, "disabled", batch), apart) > LEAST_DECIBEL);
    });
  }

  test("cover the channel's values, and at least 1 % of the widest channel's range", async () => {
    const { quantizer, subject } = await ready("VPU");
    const behindRelu = channelScales(quantizer.quantize(subject.space.base).model).find(
      ({ scales }) => scales.length === CHANNELS,
    )!;
    const highs = Array.from(
      behindRelu.scales,
      (scale) => representableRange({ scale, zeroPoint: 0 }, 8).high,
    );
    assert.equal(new Set(highs).size, CHANNELS, "every channel has a range of its own");
    assert.ok(Math.min(...highs) >= 0.01 * Math.max(...highs) * (1 - 1e-6));
  });

  test("give the same outputs at every optimization level, for random widths and estimators", async () => {
    const { quantizer, subject, batch } = await ready(CHANNELWISE, {
      tuningScope: new Set(["bits", "mode", "granularity", "layer", "range_estimator"]),
      estimatorScope: new Set(["preset"]),
      presetChoices: ["default", "quantile", "mse", "entropy", "output_mse"],
    });
    const random = new RandomValues(3);
    const seen = new Set<string>();
    for (let trial = 0; trial < 20; trial++) {
      const draws = Array.from({ length: 40 }, () => Math.abs(random.normal()) % 1);
      const { model, plan } = quantizer.quantize(configurationAt(subject.space.parameters, draws));
      for (const { bits, granularity } of plan.activations.values()) seen.add(`${bits} ${granularity}`);
      const apart = await runModel(model, "disabled", batch);
      assert.ok(worstSqnr(apart, await runModel(model, "all", batch)) > 20, `trial ${trial}`);
    }
    assert.deepEqual(
      [...seen].sort(),
      [16, 4, 8].flatMap((bits) => [`${bits} perchannel`, `${bits} pertensor`]),
    );
  });

  test("with fewer levels clip at the last level, also in 16 bits", async () => {
    const operations = CHANNELWISE.operations.map((operation) =>
      operation.types.includes("Conv") ? { ...operation, activations: ["few"] } : operation,
    );
    const { quantizer, subject, batch } = await ready({ ...CHANNELWISE, operations });
    const { model, plan } = quantizer.quantize(subject.space.base);
    assert.equal(plan.activations.get("x")!.granularity, "perchannel");
    const bounds = model.graph.initializer.filter(({ name }) => /^x\/Clip\/(low|high)$/.test(name));
    assert.deepEqual(bounds.map(dimensions), [
      [3, 1, 1],
      [3, 1, 1],
    ]);
    const apart = await runModel(model, "disabled", batch);
    assert.ok(worstSqnr(apart, await runModel(model, "all", batch)) > 30);
  });
});
