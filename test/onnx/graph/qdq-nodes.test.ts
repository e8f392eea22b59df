import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activationPair, dequantizedConstant, INSERTED_NAMES } from "../../../shared/onnx/graph/qdq-nodes.js";
import { intAttribute } from "../../../shared/onnx/model/attributes.js";
import { DataType, dimensions, floatValues } from "../../../shared/onnx/model/tensor.js";
import { runModel } from "../../end-to-end/steps/quantizing.js";
import { buildModel } from "../../fixtures/models/model-builder.js";

describe("inserted nodes", () => {
  test("a pair quantizes and dequantizes as ONNX says, ties to even and saturated", async () => {
    const model = buildModel((graph) => {
      const pair = activationPair(
        "x",
        { dataType: DataType.UINT8, scales: Float32Array.of(0.5), zeroPoints: [10], axis: undefined },
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

  test("a constant's codes come back along their channel axis", async () => {
    const model = buildModel((graph) => {
      const constant = dequantizedConstant("w", {
        dataType: DataType.INT8,
        dims: [2, 2],
        codes: Int8Array.of(1, 2, 3, 4),
        scales: Float32Array.of(0.5, 2),
        zeroPoints: Int8Array.of(0, 1),
        axis: 1,
      });
      graph.graph.node.push(...constant.nodes);
      graph.graph.initializer.push(...constant.initializers);
      graph.output(graph.node("Add", [graph.input("x", [1]), constant.output], {}, { outputs: ["y"] }));
      assert.equal(intAttribute(constant.nodes[0]!, "axis", 7), 1);
    });
    const x = { type: "float32", dims: [1], data: Float32Array.of(0) } as const;
    assert.deepEqual([...(await runModel(model, "all", { x })).get("y")!], [0.5, 2, 1.5, 6]);
  });

  test("one scale for all channels is a scalar without an axis", () => {
    const { nodes, initializers } = dequantizedConstant("b", {
      dataType: DataType.INT32,
      dims: [3],
      codes: Int32Array.of(1, 2, 3),
      scales: Float32Array.of(0.1),
      zeroPoints: Int32Array.of(0),
      axis: undefined,
    });
    const scale = initializers.find(({ name }) => name === "b/scale")!;
    assert.deepEqual(dimensions(scale), []);
    assert.deepEqual(floatValues(scale), Float32Array.of(0.1));
    assert.deepEqual(nodes[0]!.attribute, []);
  });

  test("scales a channel lie along their axis, and no integer op comes of them", async () => {
    const model = buildModel((graph) => {
      const pair = activationPair(
        "x",
        { dataType: DataType.UINT8, scales: Float32Array.of(0.5, 2), zeroPoints: [10, 20], axis: 1 },
        graph.input("x", [1, 2, 2]),
        "y",
      );
      graph.graph.node.push(...pair.nodes);
      graph.graph.initializer.push(...pair.initializers);
      const behind = activationPair(
        "z",
        { dataType: DataType.UINT8, scales: Float32Array.of(0.5), zeroPoints: [100], axis: undefined },
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

  test("every name that is inserted is one that is announced", () => {
    for (const axis of [undefined, 1]) {
      const codes = { dataType: DataType.UINT8, scales: Float32Array.of(1), zeroPoints: [0], axis } as const;
      const { nodes, initializers } = activationPair("x", codes, "x");
      const names = [
        ...nodes.flatMap(({ name, output }) => [name, ...output]),
        ...initializers.map(({ name }) => name),
      ];
      for (const name of names)
        assert.ok(
          INSERTED_NAMES.some((ending) => name === `x/${ending}`),
          name,
        );
      if (axis !== undefined) assert.equal(new Set(names).size, INSERTED_NAMES.length);
    }
  });
});
