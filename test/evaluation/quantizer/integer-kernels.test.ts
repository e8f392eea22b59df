import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import {
  findIntegerKernels,
  findIntegerKernelsOf,
} from "../../../shared/evaluation/quantizer/integer-kernels.js";
import { Quantizer } from "../../../shared/evaluation/quantizer/quantizer.js";
import { GraphIndex } from "../../../shared/onnx/graph/graph-index.js";
import { DataType, makeTensor } from "../../../shared/onnx/model/tensor.js";
import type { SessionSettings } from "../../../shared/runtime/session.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import { buildModel } from "../../fixtures/models/model-builder.js";
import { prepareSmallNet, quantizationSettings, SMALL_NET_INPUT } from "../../quantization/small-net.js";

const subject = makeSubject(
  await prepareSmallNet(),
  quantizationSettings({ tuningScope: new Set(["layer"]) }),
);
const random = createRandomStream(8, 0, "sample-order");
const statistics = await collectStatistics(subject.prepared.model, subject.statistics, {
  count: 4,
  batch: () => ({
    x: {
      type: "float32",
      data: Float32Array.from({ length: 4 * 8 * 8 }, () => random.normal()),
      dims: [1, ...SMALL_NET_INPUT],
    },
  }),
});
const quantizer = new Quantizer(subject, statistics);

function kernels(configuration: Record<string, boolean>, settings: SessionSettings) {
  const { model, plan } = quantizer.quantize(configuration);
  return findIntegerKernels(model, subject.layout, plan, settings);
}

const ALL: SessionSettings = { graphOptimizationLevel: "all", intraOpNumThreads: 1 };

describe("Integer kernels of a quantized model", () => {
  test("are found for every product at the optimization levels that fuse", async () => {
    for (const graphOptimizationLevel of ["extended", "all"] as const) {
      const found = await kernels({}, { ...ALL, graphOptimizationLevel });
      assert.deepEqual(found, { quantized: 5, integer: 5, unfused: [] }, graphOptimizationLevel);
    }
  });

  test("are not found at a level that does not fuse, and the reason of each product names the level", async () => {
    const found = await kernels({}, { ...ALL, graphOptimizationLevel: "basic" });
    assert.equal(found.integer, 0);
    assert.equal(found.unfused.length, 5);
    assert.deepEqual(found.unfused[0], {
      name: "stem",
      type: "Conv",
      reason: "ONNX Runtime did not fuse it at level basic",
    });
  });

  test("are not counted for products that the configuration leaves in float", async () => {
    const off = Object.fromEntries(subject.space.parameters.map(({ name }) => [name, false]));
    assert.deepEqual(await kernels(off, ALL), { quantized: 0, integer: 0, unfused: [] });
  });

  test("have a zero point initializer of their own per weight, which x64quantprecision needs, and none per bias", () => {
    const { graph } = quantizer.quantize({}).model;
    const index = new GraphIndex(graph);
    const zeroPoint = (tensor = ""): string | undefined => index.producer(tensor)!.input[2];
    const products = graph.node.filter(({ opType }) => opType === "Conv" || opType === "Gemm");
    assert.equal(products.length, 5);
    const ofWeights = products.map(({ input }) => zeroPoint(input[1]));
    assert.ok(ofWeights.every((name) => name !== undefined));
    assert.equal(new Set(ofWeights).size, products.length);
    for (const { name, input } of products) assert.equal(zeroPoint(input[2]), undefined, name);
  });

  test("are none of 16 bits, which the codes themselves tell where they have no zero point", async () => {
    const model = buildModel(
      (graph) => {
        const scales = [0.01, 0.02].map((scale, i) => graph.floats(`scale${i}`, [], [scale]));
        const codes = graph.node("QuantizeLinear", [graph.input("x", [1, 2, 4, 4]), scales[0]!]);
        const weights = makeTensor("w", DataType.INT16, [3, 2, 1, 1], Int16Array.of(1, 2, 3, 4, 5, 6));
        const operands = [
          graph.node("DequantizeLinear", [codes, scales[0]!]),
          graph.node("DequantizeLinear", [graph.initializer(weights), scales[1]!]),
        ];
        graph.output(graph.node("Conv", operands, {}, { name: "product" }));
      },
      { opset: 21 },
    );
    const { unfused } = await findIntegerKernelsOf(model, ALL);
    assert.deepEqual(unfused, [
      { name: "product", type: "Conv", reason: "ONNX Runtime has no integer Conv of INT16" },
    ]);
  });
});
