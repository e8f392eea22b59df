import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GraphIndex } from "../../../shared/onnx/graph/graph-index.js";
import type { Model } from "../../../shared/onnx/model/codec.js";
import { floatValues } from "../../../shared/onnx/model/tensor.js";
import { equalizeLayers } from "../../../shared/quantization/algorithms/cross-layer-equalization.js";
import { findEqualizablePairs } from "../../../shared/quantization/algorithms/equalization-factors.js";
import { runModel } from "../../end-to-end/steps/quantizing.js";
import { buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";
import { RandomValues } from "../../fixtures/models/random-values.js";

const CHANNELS = 6;

/** Weights [outputs, ...] whose outputs differ in size by a factor of up to a thousand. */
function uneven(graph: GraphBuilder, name: string, dims: readonly number[]): string[] {
  const random = new RandomValues(name.length);
  const each = dims.slice(1).reduce((product, dim) => product * dim, 1);
  const scales = Array.from({ length: dims[0]! }, (_, output) => 10 ** ((output % 4) - 2));
  const values = scales.flatMap((scale) => Array.from({ length: each }, () => scale * random.normal()));
  return [graph.floats(name, dims, values), graph.floats(`${name}.bias`, [dims[0]!], scales)];
}

/** Expansion, depthwise convolution and projection as in MobileNet, and a grouped convolution behind a pool. */
function chain(between = "Relu", seenOutside = false): Model {
  return buildModel((graph) => {
    const x = graph.input("x", [1, 3, 8, 8]);
    const conv = (name: string, input: string, dims: readonly number[], attributes = {}): string =>
      graph.node("Conv", [input, ...uneven(graph, name, dims)], attributes, { name });
    const padded = { pads: [1, 1, 1, 1] };
    const wide = graph.node(between, [conv("expand", x, [CHANNELS, 3, 1, 1])]);
    if (seenOutside) graph.output(wide);
    const depthwise = conv("depthwise", wide, [CHANNELS, 1, 3, 3], { ...padded, group: CHANNELS });
    const narrow = conv("project", graph.node("Relu", [depthwise]), [4, CHANNELS, 1, 1]);
    const pooled = graph.node("MaxPool", [narrow], { kernel_shape: [2, 2], strides: [2, 2] });
    graph.output(conv("grouped", pooled, [8, 2, 2, 2], { group: 2 }));
  });
}

function pairsOf(model: Model, ignored = {}): string[] {
  return findEqualizablePairs(new GraphIndex(model.graph), ignored).map(
    ({ producer, consumer }) => `${producer.name} ${consumer.name}`,
  );
}

/** The ratio of the largest to the smallest of the output channels' largest weights. */
function spread(model: Model, name: string, outputs: number): number {
  const values = floatValues(model.graph.initializer.find((tensor) => tensor.name === name)!);
  const each = values.length / outputs;
  const largest = Array.from({ length: outputs }, (_, output) =>
    Math.max(...values.subarray(output * each, (output + 1) * each).map(Math.abs)),
  );
  return Math.max(...largest) / Math.min(...largest);
}

describe("Equalized layers", () => {
  test("are those with only homogeneous ops between them, in groups or not", () => {
    assert.deepEqual(pairsOf(chain()), ["expand depthwise", "depthwise project", "project grouped"]);
  });
  test("do not include pairs with a saturating op or another reader between, and ignored nodes", () => {
    const later = ["depthwise project", "project grouped"];
    assert.deepEqual(pairsOf(chain("Sigmoid")), later);
    assert.deepEqual(pairsOf(chain("Relu", true)), later);
    assert.deepEqual(pairsOf(chain(), { scope: ["depthwise"] }), ["project grouped"]);
  });
  test("compute exactly the same numbers, with channels that are even up to a power of two", async () => {
    const model = chain();
    const index = new GraphIndex(model.graph);
    const equalized = equalizeLayers(model, index, findEqualizablePairs(index, {}));
    const random = new RandomValues(9);
    for (let sample = 0; sample < 3; sample++) {
      const data = Float32Array.from({ length: 192 }, () => random.normal());
      const batch = { x: { type: "float32", dims: [1, 3, 8, 8], data } } as const;
      assert.deepEqual(
        await runModel(equalized, "disabled", batch),
        await runModel(model, "disabled", batch),
      );
    }
    // The largest weights of a channel in both layers agree up to the rounding of the factor.
    assert.ok(spread(model, "depthwise", CHANNELS) > 500);
    assert.ok(spread(equalized, "depthwise", CHANNELS) < spread(model, "depthwise", CHANNELS) / 20);
    assert.ok(spread(equalized, "expand", CHANNELS) < spread(model, "expand", CHANNELS) / 20);
  });
  test("may have channels that are zero", async () => {
    const model = buildModel((graph) => {
      const x = graph.input("x", [1, 2, 3, 3]);
      const first = graph.node("Conv", [x, graph.floats("first", [2, 2, 1, 1], [0, 0, 1, 2])]);
      graph.output(graph.node("Conv", [first, graph.floats("second", [1, 2, 1, 1], [3, 0])]));
    });
    const index = new GraphIndex(model.graph);
    const { graph } = equalizeLayers(model, index, findEqualizablePairs(index, {}));
    assert.deepEqual(
      graph.initializer.map((tensor) => [...floatValues(tensor)]),
      [
        [0, 0, 1, 2],
        [3, 0],
      ],
    );
  });
});
