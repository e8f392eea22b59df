import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GraphIndex } from "../../../shared/onnx/graph/graph-index.js";
import {
  alignChannels,
  alignmentStatistics,
  channelAlignment,
  findAlignablePairs,
} from "../../../shared/quantization/algorithms/activation-channel-alignment.js";
import type { InputBatch } from "../../../shared/runtime/input-batch.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import { runModel, worstSqnr } from "../../end-to-end/steps/quantizing.js";
import { buildModel } from "../../fixtures/models/model-builder.js";
import { RandomValues } from "../../fixtures/models/random-values.js";

describe("Alignment of channels", () => {
  test("has the means and factors of a worked example", () => {
    const found = channelAlignment(Float64Array.of(-1, 0, 0), Float64Array.of(1, 8, 0));
    assert.deepEqual(found, { means: Float64Array.of(0, 4, 0), factors: Float64Array.of(0.4, 1.6, 1) });
  });
  test("is left out where no channel varies", () => {
    assert.equal(channelAlignment(Float64Array.of(1, 0), Float64Array.of(1, 0)), undefined);
  });
  test("scales by at most a hundred", () => {
    const ends = Float64Array.of(1, 1, 1, 1e9, 1e-9);
    assert.deepEqual(
      channelAlignment(new Float64Array(5), ends)!.factors,
      Float64Array.of(1, 1, 1, 100, 0.01),
    );
  });
});

/** A depthwise convolution whose channels differ by powers of ten, and the convolution that reads it. */
function chain(readerAttributes = {}, { bias = true, relu = false, twice = false } = {}) {
  return buildModel((graph) => {
    const x = graph.input("x", [1, 4, 6, 6]);
    const weight = graph.floats(
      "uneven",
      [4, 1, 3, 3],
      Array.from({ length: 36 }, (_, i) => Math.sin(i) * 10 ** (Math.floor(i / 9) - 2)),
    );
    const offset = graph.floats("offset", [4], [0.3, -1, 2, 50]);
    const attributes = { group: 4, pads: [1, 1, 1, 1] };
    const made = graph.node("Conv", [x, weight, offset], attributes, { outputs: ["made"] });
    const passed = relu ? graph.node("Relu", [made]) : made;
    graph.output(
      graph.conv(passed, [3, 4, 2, 2], readerAttributes, { bias, name: "reader", outputs: ["y"] }),
    );
    if (twice) graph.output(graph.node("Neg", [made]));
  });
}

const random = new RandomValues(3);
const batches = Array.from(
  { length: 4 },
  (): InputBatch => ({
    x: {
      type: "float32",
      dims: [1, 4, 6, 6],
      data: Float32Array.from({ length: 144 }, () => random.normal()),
    },
  }),
);

describe("Aligned convolutions", () => {
  for (const bias of [true, false]) {
    test(`compute the same as before, with even channels between them, ${bias ? "with" : "without"} bias`, async () => {
      const model = chain({}, { bias });
      const index = new GraphIndex(model.graph);
      const pairs = findAlignablePairs(index, {});
      assert.equal(pairs.length, 1);
      const requirement = alignmentStatistics(pairs);
      const calibration = { count: batches.length, batch: (i: number) => batches[i]! };
      const statistics = await collectStatistics(model, requirement, calibration);
      const aligned = alignChannels(model, index, pairs, statistics);
      for (const batch of batches) {
        const [expected, found] = [
          await runModel(model, "all", batch),
          await runModel(aligned, "all", batch),
        ];
        assert.ok(worstSqnr(expected, found) > 100, `${worstSqnr(expected, found)} dB`);
      }
      const after = await collectStatistics(aligned, requirement, calibration);
      const [low, high] = requirement.get("made")!.map((statistic) => {
        assert.equal(statistic.type, "channel_quantile");
        return after.channels("made", statistic as Extract<typeof statistic, { axis: number }>, "median");
      });
      const spans = high!.map((end, channel) => end - low![channel]!);
      assert.ok(Math.max(...spans) / Math.min(...spans) < 1.001, `spans ${spans}`);
      if (bias) {
        for (const [channel, span] of spans.entries()) {
          assert.ok(Math.abs(low![channel]! + high![channel]!) < 1e-3 * span, "centred");
        }
      }
    });
  }

  const LEFT: Readonly<Record<string, ReturnType<typeof chain>>> = {
    "pads what it reads": chain({ pads: [1, 1, 1, 1] }),
    "steps over positions": chain({ strides: [2, 2] }),
    "dilates its kernel": chain({ dilations: [2, 2] }),
    "reads a Relu": chain({}, { relu: true }),
    "is not the only reader": chain({}, { twice: true }),
  };
  for (const [which, model] of Object.entries(LEFT)) {
    test(`leave alone a reader that ${which}`, () => {
      assert.deepEqual(findAlignablePairs(new GraphIndex(model.graph), {}), []);
    });
  }
  test("do not include ignored nodes", () => {
    assert.deepEqual(findAlignablePairs(new GraphIndex(chain().graph), { scope: ["reader"] }), []);
  });
});
