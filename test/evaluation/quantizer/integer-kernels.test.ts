import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { findIntegerKernels } from "../../../shared/evaluation/quantizer/integer-kernels.js";
import { Quantizer } from "../../../shared/evaluation/quantizer/quantizer.js";
import type { SessionSettings } from "../../../shared/runtime/session.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
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
  test("are found for every product at the levels that fuse", async () => {
    for (const graphOptimizationLevel of ["extended", "all"] as const) {
      const found = await kernels({}, { ...ALL, graphOptimizationLevel });
      assert.deepEqual(found, { quantized: 5, integer: 5, unfused: [] }, graphOptimizationLevel);
    }
  });

  test("are none at a level that does not fuse, and each product is named with the level", async () => {
    const found = await kernels({}, { ...ALL, graphOptimizationLevel: "basic" });
    assert.equal(found.integer, 0);
    assert.equal(found.unfused.length, 5);
    assert.deepEqual(found.unfused[0], {
      name: "stem",
      type: "Conv",
      reason: "ONNX Runtime did not fuse it at level basic",
    });
  });

  test("are not asked of what the configuration leaves in float", async () => {
    const off = Object.fromEntries(subject.space.parameters.map(({ name }) => [name, false]));
    assert.deepEqual(await kernels(off, ALL), { quantized: 0, integer: 0, unfused: [] });
  });
});
