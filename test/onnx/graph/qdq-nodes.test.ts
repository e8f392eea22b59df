import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activationPair, dequantizedConstant, INSERTED_NAMES } from "../../../shared/onnx/graph/qdq-nodes.js";
import { QuantizationParameters } from "../../../shared/onnx/graph/quantization-parameters.js";
import { intAttribute } from "../../../shared/onnx/model/attributes.js";
import { NewNames } from "../../../shared/onnx/model/new-names.js";
import { DataType, dimensions, floatValues } from "../../../shared/onnx/model/tensor.js";
import { runModel } from "../../end-to-end/steps/quantizing.js";
import { buildModel } from "../../fixtures/models/model-builder.js";

function parameters(): QuantizationParameters {
  return new QuantizationParameters(new NewNames(new Set()));
}

describe("inserted nodes", () => {
  test("a pair quantizes and dequantizes as ONNX specifies: ties to even, saturating", async () => {
    const model = buildModel((graph) => {
      const pair = activationPair(
        "x",
        { dataType: DataType.UINT8, scales: Float32Array.of(0.5), zeroPoints: [10], axis: undefined },
        parameters(),
        graph.input("x", [6]),
        "y",
      );
      graph.graph.node.push(...pair.nodes);
      graph.graph.initializer.push(...pair.initializers);
      graph.output(pair.output);
    });
    const data = Float32Array.of(0, 0.25, 0.75, -0.75, -100, 1000);
    const outputs = await runModel(model, "all", { x: { type: "float32", dims: [6], data } });
    assert.deepEqual([...outputs.get("y")!], [0, 0, 1, -1, -5, 122.5]);
  });

  for (const { axis, zeroPoints, values } of [
    { axis: 0, zeroPoints: [0, 1], values: [0.5, 1, 4, 6] },
    { axis: 1, zeroPoints: [0, 1], values: [0.5, 2, 1.5, 6] },
    { axis: 1, zeroPoints: undefined, values: [0.5, 4, 1.5, 8] },
  ]) {
    const zeros =
      zeroPoints === undefined ? "without zero points" : `with zero points ${zeroPoints.join(", ")}`;
    test(`a constant's codes are dequantized along axis ${axis}, ${zeros}`, async () => {
      const model = buildModel((graph) => {
        const constant = dequantizedConstant(
          "w",
          {
            dataType: DataType.INT8,
            dims: [2, 2],
            codes: Int8Array.of(1, 2, 3, 4),
            scales: Float32Array.of(0.5, 2),
            zeroPoints,
            axis,
          },
          parameters(),
        );
        graph.graph.node.push(...constant.nodes);
        graph.graph.initializer.push(...constant.initializers);
        graph.output(graph.node("Add", [graph.input("x", [1]), constant.output], {}, { outputs: ["y"] }));
        assert.equal(intAttribute(constant.nodes[0]!, "axis", 1), axis);
      });
      const x = { type: "float32", dims: [1], data: Float32Array.of(0) } as const;
      assert.deepEqual([...(await runModel(model, "all", { x })).get("y")!], values);
    });
  }

  test("one scale for all channels is a scalar without an axis, and zero points of 0 need no initializer", () => {
    const { nodes, initializers } = dequantizedConstant(
      "b",
      {
        dataType: DataType.INT32,
        dims: [3],
        codes: Int32Array.of(1, 2, 3),
        scales: Float32Array.of(0.1),
        zeroPoints: undefined,
        axis: undefined,
      },
      parameters(),
    );
    const [codes, scale, ...others] = initializers;
    assert.deepEqual(nodes[0]!.input, [codes!.name, scale!.name]);
    assert.deepEqual(dimensions(scale!), []);
    assert.deepEqual(floatValues(scale!), Float32Array.of(0.1));
    assert.deepEqual(nodes[0]!.attribute, []);
    assert.deepEqual(others, []);
  });

  test("per-channel scales of activations follow their axis, and ONNX Runtime makes no integer op of them", async () => {
    const shared = parameters();
    const model = buildModel((graph) => {
      const pair = activationPair(
        "x",
        { dataType: DataType.UINT8, scales: Float32Array.of(0.5, 2), zeroPoints: [10, 20], axis: 1 },
        shared,
        graph.input("x", [1, 2, 2]),
        "y",
      );
      graph.graph.node.push(...pair.nodes);
      graph.graph.initializer.push(...pair.initializers);
      const behind = activationPair(
        "z",
        { dataType: DataType.UINT8, scales: Float32Array.of(0.5), zeroPoints: [100], axis: undefined },
        shared,
        graph.node("Add", [pair.output, pair.output]),
      );
      graph.graph.node.push(...behind.nodes);
      graph.graph.initializer.push(...behind.initializers);
      graph.output(graph.node("Identity", [behind.output], {}, { outputs: ["sum"] }));
    });
    const data = Float32Array.of(0.6, -1000, 0.9, 1.1);
    const outputs = await runModel(model, "all", { x: { type: "float32", dims: [1, 2, 2], data } });
    assert.deepEqual([...outputs.get("sum")!], [1, -10, 0, 4]);
  });

  test("INSERTED_NAMES has the suffix of every inserted tensor", () => {
    for (const axis of [undefined, 1]) {
      const codes = { dataType: DataType.UINT8, scales: Float32Array.of(1), zeroPoints: [0], axis } as const;
      const { nodes, output } = activationPair("x", codes, parameters(), "x");
      const names = nodes.flatMap((node) => node.output);
      for (const name of names)
        assert.ok(
          INSERTED_NAMES.some((ending) => name === `x${ending}`),
          name,
        );
      assert.ok(names.includes(output));
      if (axis !== undefined) assert.equal(new Set(names).size, INSERTED_NAMES.length);
    }
  });
});
