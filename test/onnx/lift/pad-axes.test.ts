import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { padAllAxes } from "../../../shared/onnx/lift/pad-axes.js";
import { decodeModel, encodeModel, type Model } from "../../../shared/onnx/model/codec.js";
import { DataType, makeTensor } from "../../../shared/onnx/model/tensor.js";
import { runModel } from "../../end-to-end/steps/quantizing.js";
import { buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";

const BATCH = {
  x: { type: "float32", dims: [1, 2, 3, 2], data: Float32Array.from({ length: 12 }, (_, i) => i) },
} as const;

function padded(pads: (graph: GraphBuilder) => string, axes: (graph: GraphBuilder) => string): Model {
  return buildModel(
    (graph) => {
      const inputs = [graph.input("x", ["N", 2, 3, 2]), pads(graph), "", axes(graph)];
      graph.output(graph.node("Pad", inputs, {}, { name: "pad", outputs: ["y"] }));
    },
    { opset: 18 },
  );
}

const constantPads = (graph: GraphBuilder): string => graph.ints("pads", [1, 2, 0, 3]);
const constantAxes = (graph: GraphBuilder): string => graph.ints("axes", [-1, 1]);
/** The same value behind an op, so that it is not a constant. */
const computed = (make: (graph: GraphBuilder) => string) => (graph: GraphBuilder) =>
  graph.node("Identity", [make(graph)]);

describe("a Pad that lists axes", () => {
  for (const [title, pads, axes] of [
    ["constant pads and axes", constantPads, constantAxes],
    ["computed pads", computed(constantPads), constantAxes],
    ["computed axes", constantPads, computed(constantAxes)],
    [
      "computed axes of 32 bits",
      constantPads,
      computed((graph) => graph.initializer(makeTensor("axes", DataType.INT32, [2], Int32Array.of(3, -3)))),
    ],
  ] as const) {
    test(`pads all axes alike: ${title}`, async () => {
      const model = padded(pads, axes);
      const before = await runModel(decodeModel(encodeModel(model), "m"), "disabled", BATCH);
      padAllAxes(model, () => 4);
      assert.equal(model.graph.node.find(({ opType }) => opType === "Pad")!.input.length, 3);
      assert.deepEqual(await runModel(model, "disabled", BATCH), before);
    });
  }

  test("is unchanged where the rank of its input is unknown", () => {
    const model = padded(constantPads, constantAxes);
    padAllAxes(model, () => undefined);
    assert.equal(model.graph.node[0]!.input.length, 4);
  });
});
