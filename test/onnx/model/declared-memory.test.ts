import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { SparseTensorProtoSchema } from "onnx-buf";
import { constantSize, inferenceSize } from "../../../shared/onnx/model/declared-memory.js";
import { DataType, makeTensor } from "../../../shared/onnx/model/tensor.js";
import { buildModel, GraphBuilder } from "../../fixtures/models/model-builder.js";

describe("declared memory", () => {
  test("of constants includes those in nodes and bodies, and counts sparse ones as dense", () => {
    const body = new GraphBuilder("body");
    body.floats("inner", [5], [1, 2, 3, 4, 5]);
    const { graph } = buildModel((builder) => {
      builder.floats("w", [2, 3], [1, 2, 3, 4, 5, 6]);
      builder.node("Constant", [], {
        value: { tensor: makeTensor("c", DataType.INT8, [7], new Int8Array(7)) },
      });
      builder.node("If", ["x"], { then_branch: { graph: body.graph } });
      builder.graph.sparseInitializer.push(
        create(SparseTensorProtoSchema, {
          values: makeTensor("sparse", DataType.FLOAT, [1], Float32Array.of(1)),
          indices: makeTensor("at", DataType.INT64, [1], BigInt64Array.of(0n)),
          dims: [1_000n, 1_000n],
        }),
      );
    });
    assert.deepEqual(constantSize(graph), { bytes: 24 + 7 + 20 + 4_000_000, largest: "sparse" });
  });

  test("of an inference is the peak of the tensors alive together", () => {
    const { graph } = buildModel((builder) => {
      builder.input("x", [1]);
      builder.node("Relu", ["x"], {}, { outputs: ["a"] });
      builder.node("Relu", ["a"], {}, { outputs: ["b"] });
      builder.node("Relu", ["b"], {}, { outputs: ["c"] });
      builder.node("Add", ["c", "x"], {}, { outputs: ["y"] });
      builder.output("y");
    });
    const sizes: Readonly<Record<string, number>> = { x: 1, a: 10, b: 100, c: 1000, y: 10 };
    // x, b and c: a has been freed.
    assert.deepEqual(
      inferenceSize(graph, (name) => sizes[name]!),
      { bytes: 1101, largest: "c" },
    );
  });

  test("of an inference counts the tensors that bodies read until the bodies have run", () => {
    const body = new GraphBuilder("body");
    body.node("Neg", ["a"], {}, { outputs: ["r"] });
    body.output("r", DataType.FLOAT, []);
    const { graph } = buildModel((builder) => {
      builder.input("x", [1]);
      builder.node("Relu", ["x"], {}, { outputs: ["a"] });
      builder.node("Relu", ["x"], {}, { outputs: ["b"] });
      builder.node("If", ["b"], { then_branch: { graph: body.graph } }, { outputs: ["y"] });
      builder.output("y");
    });
    const sizes: Readonly<Record<string, number>> = { x: 1, a: 10, b: 100, y: 1000 };
    assert.equal(inferenceSize(graph, (name) => sizes[name]!).bytes, 1111);
  });
});
